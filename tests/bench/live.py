"""What many live runs cost, and what becomes of them when the server is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from praisonrun.files.run_files import RunFiles

from ..rigs.harness import Server
from .client import Client, get, post
from .noops import alone
from .place import Bench, cpu_seconds, running_ids
from .rows import Figures, Goal, Row, column, turns
from .starts import IDLE, started

LIVE = 1000
CONNECTIONS = 16


async def live(bench: Bench) -> list[Row]:
    """A thousand at once, beside a server that has none; killed and started again; cancelled."""
    count = bench.count(LIVE)
    server = bench.new_server("--concurrency", str(count + 100))
    server.start()
    try:
        async with bench.server() as calm:
            rows = [await _spawn(server, count)]
            rows += [_memory(agents(server.state)), *await _beside(bench, server, calm)]
        rows += [await _killed(bench, server, count), *await _ended(server, count)]
        return [_renamed(row, f"{count:,} live runs: ") for row in rows]
    finally:
        server.kill()
        for pid in agents(server.state):
            os.kill(pid, signal.SIGKILL)


def agents(state: Path) -> dict[int, int]:
    """Return the processes of agents that live, and the shim of each."""
    ids = set(RunFiles(state).ids_on_disk())
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            mark = next((value for value in environ if value.startswith(b"PRAISONRUN_RUN_ID=")), b"")
            if mark.partition(b"=")[2].decode() in ids:
                stat = Path(f"/proc/{pid}/stat").read_text()
                found[int(pid)] = int(stat.rpartition(")")[2].split()[1])
    return found


async def _spawn(server: Server, count: int) -> Row:
    """Submit them all, until each has its process; the floor only makes the processes."""
    began = time.perf_counter()
    await _each(server.port, [post(server.port, "/api/v1/runs", {"agent": "parked", "prompt": "x"})] * count)
    while len(agents(server.state)) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    return Row("submitted and spawned", "s", [took], [_bare(count)], "posix_spawn")


def _bare(count: int) -> float:
    began = time.perf_counter()
    pids = [os.posix_spawnp("sleep", ["sleep", "3600"], os.environ) for _ in range(count)]
    took = time.perf_counter() - began
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return took


async def _each(port: int, requests: Iterable[bytes]) -> None:
    """Ask everything, over a few connections."""
    waiting = iter(requests)
    clients = [await Client.connect(port) for _ in range(CONNECTIONS)]

    async def work(client: Client) -> None:
        for request in waiting:
            answer = await client.ask(request)
            assert answer.status < 300, answer

    await asyncio.gather(*map(work, clients))
    for client in clients:
        client.close()


def _memory(found: dict[int, int]) -> Row:
    """What each shim has for itself; the floor is what `sleep` has."""
    shims = [_private(pid) for pid in set(found.values())]
    sleeps = [_private(pid) for pid in found]
    mean = sum(shims) / len(shims)
    return Row(
        "private memory of each", "MB", [mean], [sum(sleeps) / len(sleeps)], "its `sleep`", (Goal("<=", 1.5),)
    )


def _private(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6


async def _beside(bench: Bench, server: Server, calm: Server) -> list[Row]:
    """Processor time of the idle server, and a no-op's wait, beside a server without live runs."""
    both = (server, calm)
    (idle,) = await turns(bench.rounds, lambda: _idle(bench, server, calm))
    clients = [await Client.connect(each.port) for each in both]
    count = bench.count(80)
    found, least = await turns(
        bench.rounds,
        *(partial(alone, client, each.port, count) for client, each in zip(clients, both, strict=True)),
    )
    for client in clients:
        client.close()
    floor = "none live"
    return [
        Row("idle CPU", "ms/s", column(idle, "ours"), column(idle, "calm"), floor),
        Row(
            "no-op, submit to final: p50", "ms", column(found, "p50"), column(least, "p50"), floor,
            (Goal("<=", 2, "ratio"),),
        ),
    ]  # fmt: skip


async def _idle(bench: Bench, *servers: Server) -> Figures:
    pids = [server.process.pid for server in servers if server.process is not None]
    before, began = [cpu_seconds(pid) for pid in pids], time.perf_counter()
    await asyncio.sleep(max(0.5, IDLE * bench.scale))
    wall = time.perf_counter() - began
    used = [1000 * (cpu_seconds(pid) - was) / wall for pid, was in zip(pids, before, strict=True)]
    return dict(zip(("ours", "calm"), used, strict=True))


async def _killed(bench: Bench, server: Server, count: int) -> Row:
    """Kill the server and start it again, and again; every run is live at the end."""
    server.kill()
    found, least = await turns(
        bench.rounds,
        lambda: started(partial(bench.start_server, server), stop=_kill),
        lambda: started(bench.start_server),
    )
    server.start()
    assert await _total(server, "running") == count
    return Row(
        "start to first 200 after kill -9", "ms", column(found, "took"), column(least, "took"), "none live"
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


async def _ended(server: Server, count: int) -> list[Row]:
    """Cancel them all; who does not end as cancelled was lost, who still lives is left over."""
    ids, began = running_ids(server), time.perf_counter()
    await _each(server.port, [post(server.port, f"/api/v1/runs/{i}/cancel?wait=false", {}) for i in ids])
    while await _total(server, "running"):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    lost = count - await _total(server, "cancelled")
    return [
        Row("cancelled and ended", "s", [took]),
        Row("lost, or left over", "runs", [lost + len(agents(server.state))], goals=(Goal("<=", 0),)),
    ]


async def _total(server: Server, status: str) -> int:
    client = await Client.connect(server.port)
    answer = await client.ask(get(server.port, f"/api/v1/runs?status={status}&page_size=1"))
    client.close()
    return int(json.loads(answer.body)["total"])


def _renamed(row: Row, prefix: str) -> Row:
    return Row(f"{prefix}{row.name}", row.unit, row.ours, row.floor, row.floor_name, row.goals)
