"""What it costs to look: one run's status, and a page of the list with 8 000 runs behind it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial

from .beside import all_turns, same_api
from .client import Client, get
from .place import Bench, running
from .rows import Figures, Goal, Row, column, columns, percentiles
from .shelf import filled
from .submits import flood

RUNS = 8000
LIST = "/api/v1/runs"


async def reads(bench: Bench) -> list[Row]:
    """GET one run, over 1 and 16 connections; GET the newest 20."""
    runs = bench.count(RUNS)
    async with (
        running(await filled(bench, runs)) as server,
        bench.floor() as floor,
        same_api(bench, 16) as ports,
    ):
        for port in ports.values():
            await flood(port, 16, runs)
        rows = []
        for what, connections, full in (
            ("get a run", 1, 1500),
            ("get a run", 16, 1500),
            (f"list of {runs:,} runs", 1, 300),
        ):
            count = bench.count(full)
            paths = {
                port: [LIST] if "list" in what else await _newest(port)
                for port in (server.port, *ports.values())
            }
            found, floors, others = await all_turns(
                bench,
                partial(ask, server.port, paths[server.port], connections, count),
                [partial(ask, floor, ["/healthz"], connections, count)],
                {name: partial(ask, port, paths[port], connections, count) for name, port in ports.items()},
            )
            name = f"{what}, {connections} connection{'s' if connections > 1 else ''}"
            for key, unit in (("rate", "/s"), ("p50", "ms")):
                goals = (Goal("<=", 3),) if "list" in what and key == "p50" else ()
                rows.append(
                    Row(
                        f"{name}: {key}", unit, column(found, key), column(floors[0], key), "starlette GET",
                        goals, columns(others, key),
                    )
                )  # fmt: skip
    return rows


async def _newest(port: int) -> list[str]:
    client = await Client.connect(port)
    answer = await client.ask(get(port, f"{LIST}?page_size=100"))
    client.close()
    return [f"{LIST}/{job['job_id']}" for job in json.loads(answer.body)["jobs"]]


async def ask(port: int, paths: Sequence[str], connections: int, count: int, accept: str = "*/*") -> Figures:
    """GET paths, one after the other, until there were `count` answers."""
    requests = [get(port, path, accept) for path in paths]
    took: list[float] = []
    clients = [await Client.connect(port) for _ in range(connections)]

    async def work(client: Client, first: int) -> None:
        for number in range(first, max(count, connections), connections):
            began = time.perf_counter()
            answer = await client.ask(requests[number % len(requests)])
            took.append(time.perf_counter() - began)
            assert answer.status == 200, answer

    began = time.perf_counter()
    await asyncio.gather(*map(work, clients, range(connections)))
    wall = time.perf_counter() - began
    for client in clients:
        client.close()
    return {"rate": len(took) / wall, **percentiles(took)}
