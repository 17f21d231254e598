"""How soon a stream tells what an agent says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time

from .client import Client, get, submit
from .place import AGENTS, Bench
from .rows import Figures, Goal, Row, column, percentiles, turns

_STAMP = re.compile(rb'"text":"(\d+)\\n"')
_PRINTS = (
    "import os,sys,time\nfor _ in range(int(sys.stdin.read())):\n"
    " time.sleep(0.003)\n os.write(1, b'%d\\n' % time.monotonic_ns())"
)
assert json.dumps(_PRINTS)[1:-1] in AGENTS, "the floor's child is the agent `stamps`"


async def line(bench: Bench) -> list[Row]:
    """From an agent's write of a line to the client that watches; the floor reads the pipe itself."""
    count = bench.count(300)
    async with bench.server() as server:
        client = await Client.connect(server.port)

        async def ours() -> Figures:
            run_id = await submit(client, server.port, "stamps", str(count))
            took: list[float] = []

            def heard(data: bytes) -> None:
                now = time.monotonic_ns()
                took.extend((now - int(stamp)) / 1e9 for stamp in _STAMP.findall(data))

            await client.listen(get(server.port, f"/api/v1/runs/{run_id}/stream"), heard)
            assert len(took) >= 0.9 * count, f"{len(took)} of {count} lines came alone"
            return percentiles(took)

        found, least = await turns(bench.rounds, ours, lambda: _piped(count))
        client.close()
    return [
        Row(f"line to SSE client: {name}", "ms", column(found, name), column(least, name), "a pipe", (goal,))
        for name, goal in (("p50", Goal("<=", 0.5)), ("p99", Goal("<=", 2)))
    ]


async def _piped(count: int) -> Figures:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PRINTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(str(count).encode())
    child.stdin.close()
    took = []
    while said := await child.stdout.read(65536):
        now = time.monotonic_ns()
        took += [(now - int(stamp)) / 1e9 for stamp in said.split()]
    await child.wait()
    return percentiles(took)


async def first(bench: Bench) -> list[Row]:
    """From a new connection to the first event of a live run's stream; the floor is a plain answer."""
    count = bench.count(60)
    async with bench.server() as server:
        run_id = server.submit("parked")

        async def ours() -> Figures:
            return percentiles(
                [await _first(server.port, f"/api/v1/runs/{run_id}/stream", b"data:") for _ in range(count)]
            )

        async with bench.floor() as floor:

            async def least() -> Figures:
                return percentiles([await _first(floor, "/healthz", b'"ok"') for _ in range(count)])

            found, floors = await turns(bench.rounds, ours, least)
    return [
        Row(
            "first event of a stream: p50", "ms", column(found, "p50"), column(floors, "p50"),
            "starlette GET", (Goal("<=", 2.5),),
        )
    ]  # fmt: skip


async def _first(port: int, path: str, sign: bytes) -> float:
    began = time.perf_counter()
    client = await Client.connect(port)
    came = asyncio.get_running_loop().create_future()
    said = b""

    def heard(data: bytes) -> None:
        nonlocal said
        said += data
        if sign in said and not came.done():
            came.set_result(time.perf_counter() - began)

    listening = asyncio.create_task(client.listen(get(port, path), heard))
    took: float = await came
    listening.cancel()
    client.close()
    return took
