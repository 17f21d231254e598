"""Runs of /bin/true over HTTP, from the submit to the final state: what praisonrun itself costs."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial

from .beside import FINAL, all_turns, queues, same_api
from .client import Client, submit, until_final
from .floors import spawn_and_wait, spawn_many
from .peers import TASK_SPOOLER
from .place import Bench
from .rows import Figures, Goal, Row, column, columns, percentiles, turns

IN_FLIGHT = 16


async def unloaded(bench: Bench) -> list[Row]:
    """One at a time."""
    count = bench.count(150)
    async with bench.server() as server:
        client = await Client.connect(server.port)

        found, least = await turns(
            bench.rounds, lambda: alone(client, server.port, count), lambda: _spawned(count)
        )
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


async def alone(client: Client, port: int, count: int) -> Figures:
    """Have runs one at a time, each submitted and followed to its end."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await until_final(client, port, await submit(client, port, "noop"))
        took.append(time.perf_counter() - began)
    return percentiles(took)


async def _spawned(count: int) -> Figures:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        spawn_and_wait()
        took.append(time.perf_counter() - began)
    return percentiles(took)


async def sustained(bench: Bench) -> list[Row]:
    """16 in flight; beside the bare spawn, queues, and the same API, where a job is no process."""
    count = bench.count(800)
    async with bench.server("--concurrency", str(IN_FLIGHT)) as server, same_api(bench, IN_FLIGHT) as ports:
        with queues(bench, count) as peers:
            for name, port in ports.items():
                peers[name] = partial(flight, port, count, sign=FINAL)
            ours, floors, others = await all_turns(
                bench, lambda: flight(server.port, count), [lambda: _bare(count)], peers
            )
    return [
        Row(
            f"no-op runs, {IN_FLIGHT} in flight",
            "ms/run",
            column(ours, "each"),
            column(floors[0], "each"),
            f"posix_spawn, {os.cpu_count()} at once",
            (Goal("<=", 1.3), Goal("<=", 1.0, TASK_SPOOLER)),
            columns(others, "each"),
        )
    ]


async def flight(port: int, count: int, at_once: int = IN_FLIGHT, sign: bytes = b"[DONE]") -> Figures:
    """Have so many runs at once, each submitted and followed to its end, until there were `count`."""
    clients = [await Client.connect(port) for _ in range(at_once)]

    async def work(client: Client) -> None:
        for _ in range(max(1, count // at_once)):
            await until_final(client, port, await submit(client, port, "noop"), sign)

    began = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    wall = time.perf_counter() - began
    for client in clients:
        client.close()
    return {"each": 1000 * wall / (max(1, count // at_once) * at_once)}


async def _bare(count: int) -> Figures:
    began = time.perf_counter()
    spawn_many(count, os.cpu_count() or 1)
    return {"each": 1000 * (time.perf_counter() - began) / count}
