"""How soon, and to how many, a stream tells what an agent says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from .client import Client, get, submit, unchunked
from .place import AGENTS, Bench, fan_floor
from .rows import Figures, Goal, Row, column, percentiles, turns

VIEWERS = 50
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


async def fan_events(bench: Bench) -> list[Row]:
    """50 viewers, every line an event of its own."""
    count = bench.count(2000)
    async with bench.server() as server:
        with fan_floor(VIEWERS, count, 130) as floor:
            found, least = await turns(
                bench.rounds,
                lambda: _fanned(bench, server.port, "events", f"{count}", rb'"text":"event ', count),
                lambda: _fan(floor, count),
            )
    return [
        Row(
            f"SSE to {VIEWERS} clients, single events", "events/s", column(found, "rate"),
            column(least, "rate"), "bare protocol", (Goal(">=", 150_000),),
        )
    ]  # fmt: skip


async def fan_bursts(bench: Bench) -> list[Row]:
    """50 viewers, lines in bursts of 50."""
    count = bench.count(20_000) // 50 * 50
    async with bench.server() as server:
        with fan_floor(VIEWERS, count // 50, 50 * 30) as floor:
            found, least = await turns(
                bench.rounds,
                lambda: _fanned(bench, server.port, "lines", f"{count} 50", rb'"data":', count),
                lambda: _fan(floor, count),
            )
    return [
        Row(
            f"SSE to {VIEWERS} clients, bursts of 50 lines", "lines/s", column(found, "rate"),
            column(least, "rate"), "bare protocol", (Goal(">=", 5e6),),
        )
    ]  # fmt: skip


async def _fanned(bench: Bench, port: int, agent: str, prompt: str, sign: bytes, count: int) -> Figures:
    """Have every viewer listen, let the agent go, and time it until all have all."""
    gate = bench.path("gate")
    client = await Client.connect(port)
    run_id = await submit(client, port, agent, f"{gate} {prompt}")
    heard: list[list[bytes]] = [[] for _ in range(VIEWERS)]
    clients = [await Client.connect(port) for _ in range(VIEWERS)]
    request = get(port, f"/api/v1/runs/{run_id}/stream")
    listening = [
        asyncio.create_task(viewer.listen(request, parts.append))
        for viewer, parts in zip(clients, heard, strict=True)
    ]
    while not all(b"running" in b"".join(parts) for parts in heard):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    began = time.perf_counter()
    _open(gate)
    await asyncio.gather(*listening)
    wall = time.perf_counter() - began
    for viewer in (client, *clients):
        viewer.close()
    for parts in heard:
        said = unchunked(b"".join(parts))
        complete = said.count(sign) if agent == "events" else _lines(said)
        assert complete >= count, f"a viewer got {complete} of {count}"
    return {"rate": VIEWERS * count / wall}


def _lines(said: bytes) -> int:
    """Count the lines that log events hold, once each."""
    return sum(data.partition(b'"data":')[0].count(b"line 0") // 2 for data in said.split(b"\n\n"))


def _open(gate: Path) -> None:
    os.close(os.open(gate, os.O_CREAT | os.O_WRONLY, 0o600))


async def _fan(port: int, count: int) -> Figures:
    clients = [await Client.connect(port) for _ in range(VIEWERS)]
    kept: list[bytes] = []
    began = time.perf_counter()
    await asyncio.gather(*(viewer.listen(get(port, "/fan"), kept.append) for viewer in clients))
    wall = time.perf_counter() - began
    for viewer in clients:
        viewer.close()
    return {"rate": VIEWERS * count / wall}
