"""How late the server answers while it streams a fat output; run as a module it is who watches.

The watcher is a process of its own: what it reads must not hold up who measures.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .client import Client, get, submit
from .outputs import lines_of_output
from .place import Bench
from .rows import Figures, Goal, Row, column, percentiles, turns

PAUSE = 0.002
"""Seconds between two questions."""


async def stall(bench: Bench) -> list[Row]:
    """The wait for an answer that costs nothing; the floor is asked at the same moments, and is idle."""
    lines = lines_of_output(bench)
    async with bench.server() as server, bench.floor() as floor:
        clients = [await Client.connect(port) for port in (server.port, floor)]
        with _watcher(server.port) as watcher:

            async def ours() -> Figures:
                run_id = await submit(clients[0], server.port, "cat", str(lines))
                watched = asyncio.create_task(asyncio.to_thread(_watch, watcher, run_id))
                asked: tuple[list[float], list[float]] = ([], [])
                while not watched.done():
                    for client, port, took in zip(clients, (server.port, floor), asked, strict=True):
                        began = time.perf_counter()
                        await client.ask(get(port, "/healthz"))
                        took.append(time.perf_counter() - began)
                    await asyncio.sleep(PAUSE)
                assert int(await watched) >= lines.stat().st_size
                mine, floors = map(percentiles, asked)
                return {"p50": mine["p50"], "p99": mine["p99"]} | {f"floor {k}": v for k, v in floors.items()}

            (found,) = await turns(bench.rounds, ours)
        for client in clients:
            client.close()
    return [
        Row(
            f"answer while fat output is watched: {name}",
            "ms",
            column(found, name),
            column(found, f"floor {name}"),
            "starlette GET, the same moments",
            goals,
        )
        for name, goals in (("p50", ()), ("p99", (Goal("<=", 5),)))
    ]


@contextmanager
def _watcher(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", __name__, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def _watch(watcher: subprocess.Popen[str], run_id: str) -> str:
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    print(run_id, file=watcher.stdin, flush=True)
    return watcher.stdout.readline()


def main(port: int) -> None:
    """Watch the runs whose ids come in, each to its end, and print how many bytes that were."""
    for run_id in sys.stdin:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(get(port, f"/api/v1/runs/{run_id.strip()}/stream"))
            buffer, total, last = bytearray(1 << 18), 0, b""
            while not last.endswith(b"0\r\n\r\n") and (got := line.recv_into(buffer)):
                total += got
                last = (last + bytes(buffer[max(0, got - 16) : got]))[-16:]
        print(total, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
