"""What 50 listeners of the stream of all runs cost the server that one does not."""

from __future__ import annotations

import asyncio
import json

from .client import Client, get, post, until_final
from .place import Bench, cpu_seconds
from .rows import Figures, Goal, Row, column, turns

LISTENERS = 50
TOGETHER = 8
"""Runs that are submitted at once."""


async def feed(bench: Bench) -> list[Row]:
    """Runs that do nothing, under 50 listeners and under one."""
    count = bench.count(1000) // TOGETHER * TOGETHER
    async with bench.server() as server:
        assert server.process is not None
        port, pid = server.port, server.process.pid
        found, one = await turns(
            bench.rounds, lambda: _heard(port, pid, LISTENERS, count), lambda: _heard(port, pid, 1, count)
        )
    return [
        Row(
            f"runs under {LISTENERS} listeners of all", "server ms/run", column(found, "cpu"),
            column(one, "cpu"), "one listener", (Goal("<=", 1.5, "ratio"),),
        )
    ]  # fmt: skip


async def _heard(port: int, pid: int, listeners: int, count: int) -> Figures:
    """Have so many listen to so many runs; each must hear of the last end."""
    heard: list[bytearray] = [bytearray() for _ in range(listeners)]
    clients = [await Client.connect(port) for _ in range(listeners)]
    request = get(port, "/api/v1/events")
    listening = [
        asyncio.create_task(client.listen(request, text.extend))
        for client, text in zip(clients, heard, strict=True)
    ]
    while not all(b"event: server" in text for text in heard):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    submitters = [await Client.connect(port) for _ in range(TOGETHER)]
    began = cpu_seconds(pid)
    for _ in range(count // TOGETHER):
        ids = await asyncio.gather(*(_run(client, port) for client in submitters))
    while not all(b'"completed_at":"' in text.partition(ids[-1].encode())[2] for text in heard):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    spent = cpu_seconds(pid) - began
    for client in (*clients, *submitters):
        client.close()
    await asyncio.gather(*listening, return_exceptions=True)
    return {"cpu": 1000 * spent / count}


async def _run(client: Client, port: int) -> str:
    answer = await client.ask(post(port, "/api/v1/runs", {"prompt": "x"}))
    run_id = str(json.loads(answer.body)["job_id"])
    await until_final(client, port, run_id)
    return run_id
