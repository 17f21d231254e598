"""What the server costs before anybody asks for anything."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from functools import partial

import psutil

from .beside import MEMORY, SQLITE, all_turns, start_praisonai
from .client import answers
from .place import Bench, Process, cpu_seconds, end
from .rows import Figures, Goal, Row, column, columns, turns

IDLE = 3.0
"""Seconds of idleness that are looked at."""
Popen = subprocess.Popen[bytes]
Start = Callable[[], Process]


async def start(bench: Bench) -> list[Row]:
    """From the start of the process to its first 200, and its memory then."""
    stores = (MEMORY, SQLITE) if "praisonai" in bench.peers.pythons else ()
    peers = {
        store: partial(started, partial(start_praisonai, bench, store, 1), "/health") for store in stores
    }
    found, floors, others = await all_turns(
        bench, lambda: started(bench.start_server), [lambda: started(bench.start_floor)], peers
    )
    goals = {"took": (Goal("<=", 250), Goal("<=", 0.67, SQLITE)), "rss": (Goal("<=", 42),)}
    return [
        Row(
            name, unit, column(found, key), column(floors[0], key), "starlette app", goals[key],
            columns(others, key),
        )
        for name, unit, key in (("start to first 200", "ms", "took"), ("idle memory", "MB", "rss"))
    ]  # fmt: skip


async def started(begin: Start, path: str = "/healthz", stop: Callable[[Popen], None] = end) -> Figures:
    """Start something, time it to its first 200, look at its memory, and stop it."""
    began = time.perf_counter()
    process, port = begin()
    try:
        await answers(port, path)
        took = time.perf_counter() - began
        return {"took": 1000 * took, "rss": psutil.Process(process.pid).memory_info().rss / 1e6}
    finally:
        stop(process)


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
