"""Peers at work: a server with the same API, and queues; each is measured in turns with ours."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from .client import answers
from .peers import PROGRAMS, TASK_SPOOLER
from .place import Bench, Process, free_port, installed_environ
from .rows import Figures, Measure, turns

MEMORY, SQLITE = "praisonai memory", "praisonai sqlite"
FINAL = b"event: result"
"""How a job that succeeded ends there."""


async def all_turns(
    bench: Bench, ours: Measure, floors: list[Measure], peers: Mapping[str, Measure]
) -> tuple[list[Figures], list[list[Figures]], dict[str, list[Figures]]]:
    """Measure ours, the floors and the peers in turns; return the rounds of each."""
    found, *others = await turns(bench.rounds, ours, *floors, *peers.values())
    return found, others[: len(floors)], dict(zip(peers, others[len(floors) :], strict=True))


def start_praisonai(bench: Bench, store: str, slots: int) -> Process:
    """Start the server with the same API, on that store; return its process and port at once."""
    port, home = free_port(), bench.path("praisonai")
    home.mkdir()
    command = [
        str(bench.peers.pythons["praisonai"]),
        str(PROGRAMS / "praisonai_jobs.py"),
        str(port),
        str(slots),
    ]
    if store == SQLITE:
        command.append(str(home / "jobs.db"))
    quiet = {"HOME": str(home), "DO_NOT_TRACK": "1", "PRAISONAI_TELEMETRY_DISABLED": "true"}
    return subprocess.Popen(
        command,
        env=installed_environ() | quiet,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ), port


@asynccontextmanager
async def same_api(bench: Bench, slots: int) -> AsyncIterator[dict[str, int]]:
    """Run the server with the same API on each of its stores inside this block, if it is asked for.

    Yields their ports by name.
    """
    stores = (MEMORY, SQLITE) if "praisonai" in bench.peers.pythons else ()
    started = {store: start_praisonai(bench, store, slots) for store in stores}
    try:
        for _, port in started.values():
            await answers(port, "/health")
        yield {store: port for store, (_, port) in started.items()}
    finally:
        for process, _ in started.values():
            process.kill()  # politely, it would cancel each job in turn
            process.wait()


@contextmanager
def queues(bench: Bench, count: int) -> Iterator[dict[str, Measure]]:
    """Have the queues that are here ready inside this block: each measures `count` runs of /bin/true."""
    found: dict[str, Measure] = {}
    if bench.peers.tsp:
        found[TASK_SPOOLER] = lambda: _spooled(bench, count)
    python = bench.peers.pythons.get("huey")
    if python is None:
        yield found
        return
    with _huey(python, bench.path("huey.db")) as ask:

        async def measure() -> Figures:
            return {"each": 1000 * await asyncio.to_thread(ask, count) / count}

        yield found | {"huey": measure}


@contextmanager
def _huey(python: Path, database: Path) -> Iterator[Callable[[int], float]]:
    command = [python, PROGRAMS / "huey_queue.py", database]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        asks, says = process.stdin, process.stdout
        assert asks is not None
        assert says is not None

        def ask(count: int) -> float:
            print(count, file=asks, flush=True)
            return float(says.readline())

        yield ask


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
