"""Durable submits: a 202 is sent once the run is on the disk. Nothing starts meanwhile: no slot is free.

The same holds for the peer: its one slot is taken, too, so it only has to keep what it was given.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from .beside import SQLITE, all_turns, same_api
from .client import Client, post, submit
from .place import Bench
from .rows import Figures, Goal, Row, column, columns, percentiles

SUBMIT = {"agent": "noop", "prompt": "x"}


async def many(bench: Bench) -> list[Row]:
    """32 connections, each submit with a key."""
    return await _row(
        bench,
        32,
        rate=(Goal(">=", 9000), Goal(">=", 1.0, "ratio"), Goal(">=", 18, SQLITE)),
        p99=(Goal("<=", 8),),
    )


async def one(bench: Bench) -> list[Row]:
    """One connection, each submit with a key."""
    return await _row(bench, 1, rate=(Goal(">=", 1550),), p50=(Goal("<=", 1.3, "ratio"),))


async def _row(bench: Bench, connections: int, **goals: tuple[Goal, ...]) -> list[Row]:
    count = bench.count(1500 if connections == 1 else 8000)
    async with bench.server("--concurrency", "1", "--queue-limit", "10000000") as server:
        server.submit("parked")
        async with bench.floor() as floor, same_api(bench, 1) as ports:
            for port in ports.values():
                client = await Client.connect(port)
                await submit(client, port, "noop", "park")
                client.close()
            ours, floors, peers = await all_turns(
                bench,
                lambda: flood(server.port, connections, count),
                [lambda: flood(floor, connections, count)],
                {name: partial(flood, port, connections, count // 4) for name, port in ports.items()},
            )
    return [
        Row(
            f"submit, {connections} connections: {name}"
            if connections > 1
            else f"submit, 1 connection: {name}",
            unit,
            column(ours, name),
            column(floors[0], name),
            "starlette + group commit",
            goals.get(name, ()),
            columns(peers, name),
        )
        for name, unit in (("rate", "/s"), ("p50", "ms"), ("p99", "ms"))
    ]


async def flood(port: int, connections: int, count: int) -> Figures:
    """Submit `count` runs over kept connections."""
    took: list[float] = []
    clients = [await Client.connect(port) for _ in range(connections)]

    async def work(client: Client) -> None:
        for _ in range(count // connections):
            request = post(port, "/api/v1/runs", SUBMIT, key=True)
            began = time.perf_counter()
            answer = await client.ask(request)
            took.append(time.perf_counter() - began)
            assert answer.status == 202, answer

    began = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    wall = time.perf_counter() - began
    for client in clients:
        client.close()
    return {"rate": len(took) / wall, **percentiles(took)}
