"""How many events a stream tells to how many, and what it costs them that others do not read."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from functools import partial
from pathlib import Path

from .client import Client, get, submit, unchunked
from .place import Bench, fan_floor
from .rows import Figures, Goal, Measure, Row, column, turns

VIEWERS, STALLED = 50, 10


async def events(bench: Bench) -> list[Row]:
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


async def bursts(bench: Bench) -> list[Row]:
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


async def stalled(bench: Bench) -> list[Row]:
    """The same bursts while others have asked and do not read: they cost the readers nothing."""
    count = bench.count(60_000) // 50 * 50

    def ours(port: int, stalled: int) -> Measure:
        return partial(_fanned, bench, port, "lines", f"{count} 50", rb'"data":', count, stalled)

    async with bench.server() as server:
        found, calm = await turns(bench.rounds, ours(server.port, STALLED), ours(server.port, 0))
    return [
        Row(
            f"SSE bursts, {STALLED} more clients who do not read", "lines/s", column(found, "rate"),
            column(calm, "rate"), "nobody stalled", (Goal(">=", 0.9, "ratio"),),
        )
    ]  # fmt: skip


async def _fanned(
    bench: Bench, port: int, agent: str, prompt: str, sign: bytes, count: int, stalled: int = 0
) -> Figures:
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
    deaf = [_stall(port, request) for _ in range(stalled)]
    while not all(b"running" in b"".join(parts) for parts in heard):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    began = time.perf_counter()
    _open(gate)
    await asyncio.gather(*listening)
    wall = time.perf_counter() - began
    for viewer in (client, *clients):
        viewer.close()
    for connection in deaf:
        connection.close()
    for parts in heard:
        said = unchunked(b"".join(parts))
        complete = said.count(sign) if agent == "events" else _lines(said)
        assert complete >= count, f"a viewer got {complete} of {count}"
    return {"rate": VIEWERS * count / wall}


def _stall(port: int, request: bytes) -> socket.socket:
    """Ask and do not read; the little buffer is full at once."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(request)
    return deaf


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
