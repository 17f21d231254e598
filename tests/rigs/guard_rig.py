"""An app behind the guarded protocol on a real socket, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import anyio
import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from praisonrun.server import UVICORN
from praisonrun.web.edge import Edge
from praisonrun.web.guard import Guard, sweep
from praisonrun.web.head import Limits

QUICK = Limits(head=0.3, body=0.5, stalled=0.4, connections=8, pipelined=4)
HOST = b"Host: 127.0.0.1:8005\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


class App:
    """Answers with the body's length; /hold waits for `gate`, /flood never ends, /early reads nothing."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.calls = 0
        self.called = asyncio.Semaphore(0)
        self.left = anyio.Event()
        """Set when a client left before its request was whole, or its answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        self.called.release()
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if scope["path"] == "/hold":
            await self.gate.wait()
        if scope["path"] == "/flood":
            try:
                await StreamingResponse(_flood())(scope, receive, send)
            finally:
                self.left.set()
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})


async def _flood() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536
        await asyncio.sleep(0)


class Quick(uvicorn.Server):
    """Looks at the deadlines at every tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = anyio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve inside this block; give the port."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._all)
            await self.up.wait()
            try:
                yield self.servers[0].sockets[0].getsockname()[1]
            finally:
                self.should_exit = True

    async def _all(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._serve()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def on_tick(self, counter: int) -> bool:
        sweep(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)


@asynccontextmanager
async def served(app: App, limits: Limits = QUICK) -> AsyncIterator[int]:
    edge = Edge(app, port=8005)
    config = uvicorn.Config(
        edge, port=0, **{**UVICORN, "http": partial(Guard, limits=limits), "timeout_graceful_shutdown": 0}
    )
    async with Quick(config).running() as port:
        yield port


class Wire:
    """One connection, by bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.transport.abort()

    @classmethod
    async def to(cls, port: int, data: bytes = b"") -> Wire:
        wire = cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**20))
        wire.writer.write(data)
        return wire

    async def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers and body of one answer; (0, …) where the connection just ends."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, {}, b""
        first, *lines = head.rstrip().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        if headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            body = await self.reader.readexactly(int(headers[b"content-length"]))
        return int(first.split()[1]), headers, body

    async def drip(self, parts: Sequence[bytes], every: float) -> None:
        """Send parts slowly. Raises ConnectionError once the server has closed."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(every)

    async def ended(self) -> bool:
        """Return once the server has closed; whatever it sent is dropped."""
        try:
            while await self.reader.read(2**16):
                pass
        except ConnectionError:
            pass
        return True


async def ask(port: int, *parts: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return the answer to what may never be read to its end: a blocking client gets it all the same."""
    received = await asyncio.to_thread(_asked, port, parts)
    reader = asyncio.StreamReader()
    reader.feed_data(received)
    reader.feed_eof()
    return await Wire(reader, cast("asyncio.StreamWriter", None)).answer()


def _asked(port: int, parts: Sequence[bytes]) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        with suppress(ConnectionError):
            for part in parts:
                wire.sendall(part)
        received = b""
        with suppress(ConnectionError):
            while (b"\r\n\r\n" not in received or not _whole(received)) and (data := wire.recv(65536)):
                received += data
        return received


def _whole(received: bytes) -> bool:
    head, body = received.split(b"\r\n\r\n", 1)
    length = re.search(rb"content-length: (\d+)", head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
