"""Runs of /bin/true over HTTP, from the submit to the final state: what praisonrun itself costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping

from .client import Client, submit, until_final
from .floors import spawn_and_wait, spawn_many
from .place import Bench
from .rows import Figures, Goal, Row, column, percentiles, turns

IN_FLIGHT = 16


async def unloaded(bench: Bench) -> list[Row]:
    """One at a time."""
    count = bench.count(150)
    async with bench.server() as server:
        client = await Client.connect(server.port)

        async def ours() -> Figures:
            took = []
            for _ in range(count):
                began = time.perf_counter()
                await until_final(client, server.port, await submit(client, server.port, "noop"))
                took.append(time.perf_counter() - began)
            return percentiles(took)

        found, least = await turns(bench.rounds, ours, lambda: _spawned(count))
        client.close()
    return [
        Row(
            f"submit to final: {name}",
            "ms",
            column(found, name),
            column(least, name),
            "posix_spawn + wait",
            (goal,),
        )
        for name, goal in (("p50", Goal("<=", 4)), ("p99", Goal("<=", 8)))
    ]


async def _spawned(count: int) -> Figures:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        spawn_and_wait()
        took.append(time.perf_counter() - began)
    return percentiles(took)


async def sustained(bench: Bench) -> list[Row]:
    """16 in flight; beside the bare spawn and, where it is installed, task-spooler."""
    count = bench.count(800)
    measures = [lambda: _bare(count)]
    names = [f"posix_spawn, {os.cpu_count()} at once"]
    if shutil.which("tsp"):
        measures.append(lambda: _spooled(bench, count))
        names.append("task-spooler")
    async with bench.server("--concurrency", str(IN_FLIGHT)) as server:
        ours, *floors = await turns(bench.rounds, lambda: _flight(server.port, count), *measures)
    return [
        Row(
            f"no-op runs, {IN_FLIGHT} in flight",
            "ms/run",
            column(ours, "each"),
            column(floor, "each"),
            name,
            (Goal("<=", 1.3), *((Goal("<=", 1.0, "ratio"),) if name == "task-spooler" else ())),
        )
        for floor, name in zip(floors, names, strict=True)
    ]


async def _flight(port: int, count: int) -> Figures:
    clients = [await Client.connect(port) for _ in range(IN_FLIGHT)]

    async def work(client: Client) -> None:
        for _ in range(max(1, count // IN_FLIGHT)):
            await until_final(client, port, await submit(client, port, "noop"))

    began = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    wall = time.perf_counter() - began
    for client in clients:
        client.close()
    return {"each": 1000 * wall / (max(1, count // IN_FLIGHT) * IN_FLIGHT)}


async def _bare(count: int) -> Figures:
    began = time.perf_counter()
    spawn_many(count, os.cpu_count() or 1)
    return {"each": 1000 * (time.perf_counter() - began) / count}


async def _spooled(bench: Bench, count: int) -> Figures:
    """Queue as fast as a shell could, wait for the last; the queue's server is started before."""
    environ = {**os.environ, "TS_SOCKET": str(bench.path("tsp")), "TS_MAXFINISHED": "10"}

    def tsp(*arguments: str) -> None:
        subprocess.run(["tsp", *arguments], env=environ, check=True, stdout=subprocess.DEVNULL)

    tsp("-S", "4")
    wall = _queued(count, environ, tsp)
    tsp("-K")
    return {"each": 1000 * wall / count}


def _queued(count: int, environ: Mapping[str, str], tsp: Callable[..., None]) -> float:
    began = time.perf_counter()
    for _ in range(count):
        process = os.posix_spawnp("tsp", ["tsp", "-n", "/bin/true"], environ, file_actions=_QUIET)
        os.waitpid(process, 0)
    tsp("-w")
    return time.perf_counter() - began


_QUIET = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
