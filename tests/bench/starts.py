"""What the server costs before anybody asks for anything."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable

import psutil

from .client import answers
from .place import Bench, cpu_seconds, end
from .rows import Figures, Goal, Row, column, turns

IDLE = 3.0
"""Seconds of idleness that are looked at."""
Start = Callable[[], tuple["subprocess.Popen[bytes]", int]]


async def start(bench: Bench) -> list[Row]:
    """From the start of the process to its first 200, and its memory then."""
    found, least = await turns(
        bench.rounds, lambda: _started(bench.start_server), lambda: _started(bench.start_floor)
    )
    floor = "starlette app"
    return [
        Row(
            "start to first 200",
            "ms",
            column(found, "took"),
            column(least, "took"),
            floor,
            (Goal("<=", 250),),
        ),
        Row("idle memory", "MB", column(found, "rss"), column(least, "rss"), floor, (Goal("<=", 42),)),
    ]


async def _started(begin: Start) -> Figures:
    began = time.perf_counter()
    process, port = begin()
    try:
        await answers(port)
        took = time.perf_counter() - began
        return {"took": 1000 * took, "rss": psutil.Process(process.pid).memory_info().rss / 1e6}
    finally:
        end(process)


async def idle(bench: Bench) -> list[Row]:
    """Processor time of a server that has nothing to do."""
    async with bench.server() as server:
        assert server.process is not None
        pid = server.process.pid
        floor, port = bench.start_floor()
        try:
            await answers(port)
            found, least = await turns(
                bench.rounds, lambda: _idle(bench, pid), lambda: _idle(bench, floor.pid)
            )
        finally:
            end(floor)
    return [
        Row("idle CPU", "ms/s", column(found, "cpu"), column(least, "cpu"), "starlette app", (Goal("<=", 3),))
    ]


async def _idle(bench: Bench, pid: int) -> Figures:
    seconds = max(0.5, IDLE * bench.scale)
    before, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    return {"cpu": 1000 * (cpu_seconds(pid) - before) / (time.perf_counter() - began)}
