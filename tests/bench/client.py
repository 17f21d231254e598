"""An HTTP client that costs little: the load shares its processors with what it measures."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

_LAST_CHUNK = b"0\r\n\r\n"
_keys = itertools.count()
_pid = time.time_ns()


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


class Client(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = b""
        self._answer: asyncio.Future[Any] | None = None
        self._heard: Callable[[bytes], None] | None = None

    @classmethod
    async def connect(cls, port: int) -> Client:
        """Connect to a server on this machine."""
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    async def ask(self, request: bytes) -> Answer:
        """Send a request whose answer has a Content-Length, and return the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer, self._buffer = answer, b""
        self._transport.write(request)
        return await answer

    async def listen(self, request: bytes, heard: Callable[[bytes], None]) -> None:
        """Send a request and hand on its chunked answer as it comes, head and all, until its end."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer, self._heard, self._buffer = over, heard, b""
        self._transport.write(request)
        try:
            await over
        finally:
            self._heard = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        assert self._answer is not None
        if self._heard is not None:
            self._heard(data)
            self._buffer = (self._buffer + data)[-len(_LAST_CHUNK) :]
            if self._buffer == _LAST_CHUNK and not self._answer.done():
                self._answer.set_result(None)
            return
        self._buffer += data
        head, split, body = self._buffer.partition(b"\r\n\r\n")
        if split and len(body) >= _length(head):
            self._answer.set_result(Answer(int(head[9:12]), body))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def get(port: int, path: str, accept: str = "*/*") -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: {accept}\r\n\r\n".encode()


def post(port: int, path: str, body: object, *, key: bool = False) -> bytes:
    """Return a POST of JSON, with an Idempotency-Key of its own if asked for."""
    text = json.dumps(body)
    extra = f"Idempotency-Key: bench-{_pid}-{next(_keys)}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"{extra}Content-Length: {len(text)}\r\n\r\n{text}"
    ).encode()


def unchunked(raw: bytes) -> bytes:
    """Return the body of a whole chunked answer."""
    rest = raw.partition(b"\r\n\r\n")[2]
    parts = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(parts)


async def submit(client: Client, port: int, agent: str, prompt: str = "x") -> str:
    """Submit a run and return its id."""
    answer = await client.ask(post(port, "/api/v1/runs", {"agent": agent, "prompt": prompt}))
    assert answer.status == 202, answer
    return str(json.loads(answer.body)["job_id"])


async def until_final(client: Client, port: int, run_id: str, sign: bytes = b"[DONE]") -> None:
    """Return when the run is final: its stream ends then, with a sign."""
    last = b""

    def heard(data: bytes) -> None:
        nonlocal last
        last = (last + data)[-64:]

    await client.listen(get(port, f"/api/v1/runs/{run_id}/stream"), heard)
    assert sign in last, last


async def answers(port: int, path: str = "/healthz") -> None:
    """Return when a server answers 200."""
    request = get(port, path)
    while True:
        with suppress(OSError):
            client = await Client.connect(port)
            answer = await client.ask(request)
            client.close()
            if answer.status == 200:
                return
        await asyncio.sleep(0.001)
