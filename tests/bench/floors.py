"""What no design can beat: the same work with nothing around it. Run as a module it is the HTTP floor.

That is the least durable submit: starlette on uvicorn, one table, writes that wait together share a
transaction and an fsync. `GET /fan?n=` sends n events, the same bytes to everyone who asked.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import sys
import threading
import uuid
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Row = tuple[str, str | None, str]


class Inserts:
    """A thread that inserts what waits in one transaction."""

    def __init__(self, path: Path) -> None:
        self._waiting: queue.SimpleQueue[tuple[Row, asyncio.Future[None]]] = queue.SimpleQueue()
        self._path = path
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, daemon=True).start()

    def put(self, row: Row) -> asyncio.Future[None]:
        """Insert a row; the future is done once it is on the disk."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((row, done))
        return done

    def _work(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE runs (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, key TEXT UNIQUE, body TEXT)")
        while True:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO runs (id, key, body) VALUES (?, ?, ?)", [row for row, _ in batch])
            db.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, [done for _, done in batch])


def _settle(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)


def application(path: Path) -> Starlette:
    """Return the least app that takes a submit durably."""
    inserts: list[Inserts] = []

    async def submit(request: Request) -> Response:
        body = await request.body()
        await request.json()
        run_id = f"run_{uuid.uuid4().hex}"
        if not inserts:
            inserts.append(Inserts(path))
        await inserts[0].put((run_id, request.headers.get("idempotency-key"), body.decode()))
        return JSONResponse({"job_id": run_id, "status": "queued"}, 202)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[Route("/api/v1/runs", submit, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])]
    )


class Fan:
    """The least way to tell many viewers of one event after the other: shared bytes, a bare protocol."""

    def __init__(self, viewers: int, events: int, event: bytes) -> None:
        self._viewers, self._events, self._event = viewers, events, event
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self) -> None:
        """Serve one gathering after the other on a free port, which is printed."""
        server = await asyncio.start_server(self._come, "127.0.0.1", 0, backlog=256)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self._writers.append(writer)
        if len(self._writers) == self._viewers:
            writers, self._writers = self._writers, []
            for _ in range(self._events):
                for viewer in writers:
                    viewer.transport.write(self._event)
                await asyncio.sleep(0)
            for viewer in writers:
                viewer.transport.write(b"0\r\n\r\n")


def spawn_and_wait() -> None:
    """Start /bin/true and wait for it."""
    os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], {}), 0)


def spawn_many(count: int, at_once: int) -> None:
    """Start /bin/true `count` times, so many at once, and wait for all."""
    live = 0
    for _ in range(count):
        if live == at_once:
            os.wait()
            live -= 1
        os.posix_spawn("/bin/true", ["/bin/true"], {})
        live += 1
    for _ in range(live):
        os.wait()


def write_straight(command: list[str], target: Path) -> None:
    """Run a command whose stdout is a file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, str(target), flags, 0o600)]
    os.waitpid(os.posix_spawnp(command[0], command, os.environ, file_actions=actions), 0)


def main(arguments: list[str]) -> None:
    """`http PORT DB`, or `fan VIEWERS EVENTS SIZE`."""
    if arguments[0] == "fan":
        viewers, events, size = map(int, arguments[1:])
        asyncio.run(Fan(viewers, events, b"%x\r\n%s\r\n" % (size, b"x" * size)).serve())
        return
    app = application(Path(arguments[2]))
    uvicorn.run(
        app, port=int(arguments[1]), loop="asyncio", http="httptools", log_level="critical", access_log=False,
        lifespan="off",
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
