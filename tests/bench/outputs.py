"""What an agent's output costs: its own time, and the server's while nobody watches."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .client import Client, get, submit, until_final
from .floors import write_straight
from .place import Bench, cpu_seconds
from .rows import Figures, Goal, Row, column, turns

SIZE = 50_000_000
"""Below the cap of what a run keeps."""
AT_ONCE = 4
"""Runs without a viewer: one alone would cost too little to be told from noise."""


def lines_of_output(bench: Bench) -> Path:
    """Make a file of lines of 100 bytes."""
    path = bench.path("lines")
    path.write_bytes((b"x" * 99 + b"\n") * (bench.count(SIZE) // 100))
    return path


async def throughput(bench: Bench) -> list[Row]:
    """`cat` of lines of 100 bytes into the journal, against `cat` straight into a file."""
    lines = lines_of_output(bench)
    size = lines.stat().st_size / 1e6
    async with bench.server() as server:
        client = await Client.connect(server.port)

        async def ours() -> Figures:
            run_id = await submit(client, server.port, "cat", str(lines))
            await until_final(client, server.port, run_id)
            answer = await client.ask(get(server.port, f"/api/v1/runs/{run_id}/result"))
            metrics = json.loads(answer.body)["metrics"]
            assert metrics["stdout_bytes"] == lines.stat().st_size
            assert not metrics["dropped_bytes"]
            return {"rate": size / metrics["wall_seconds"]}

        async def least() -> Figures:
            target = bench.path("straight")
            began = time.perf_counter()
            write_straight(["cat", str(lines)], target)
            return {"rate": size / (time.perf_counter() - began)}

        found, floors = await turns(bench.rounds, ours, least)
        client.close()
    return [
        Row(
            "agent output in lines", "MB/s", column(found, "rate"), column(floors, "rate"),
            "straight to a file", (Goal(">=", 0.9, "ratio"),),
        )
    ]  # fmt: skip


async def unwatched(bench: Bench) -> list[Row]:
    """The server's processor time for a gigabyte that nobody watches; runs without output are subtracted."""
    lines, empty = lines_of_output(bench), bench.path("empty")
    empty.write_bytes(b"")
    size = lines.stat().st_size / 1e9
    async with bench.server() as server:
        assert server.process is not None
        pid = server.process.pid
        client = await Client.connect(server.port)

        async def cost(path: Path) -> float:
            before = cpu_seconds(pid)
            runs = [await submit(client, server.port, "cat", str(path)) for _ in range(AT_ONCE)]
            for run_id in runs:
                while (await _status(client, server.port, run_id))["exit_code"] is None:
                    time.sleep(0.3)  # noqa: ASYNC251 - asking would cost the server what is measured
            return cpu_seconds(pid) - before

        async def ours() -> Figures:
            return {"cpu": 1000 * (await cost(lines) - await cost(empty)) / (AT_ONCE * size)}

        (found,) = await turns(bench.rounds, ours)
        client.close()
    return [Row("server CPU, output unwatched", "ms/GB", column(found, "cpu"), goals=(Goal("<=", 10),))]


async def _status(client: Client, port: int, run_id: str) -> dict[str, object]:
    time.sleep(0.3)  # noqa: ASYNC251
    answer = await client.ask(get(port, f"/api/v1/runs/{run_id}"))
    return dict(json.loads(answer.body))
