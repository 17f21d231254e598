"""Webhook receivers, good and bad, on loopback: each in threads of its own, so any test can use them.

`zoo.pem` is a key and a certificate for `receiver.test` that signs itself; it guards nothing.
"""

from __future__ import annotations

import gzip
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PEM = Path(__file__).with_name("zoo.pem")
PATIENCE = 30.0
"""Seconds until a test that waits for a request has failed."""


@dataclass(frozen=True)
class Got:
    """One request."""

    head: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Behave = Callable[["Receiver", socket.socket, Got], None]


@dataclass(eq=False)
class Receiver:
    """Listens on a free port of 127.0.0.1, remembers what it got and behaves as it is told."""

    behave: Behave
    tls: bool = False
    got: list[Got] = field(default_factory=list)
    sent: int = 0
    """Bytes that were sent in answer."""
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.news: queue.Queue[Got] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    def next(self) -> Got:
        """Wait for a request that no earlier call has returned."""
        return self.news.get(timeout=PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(PEM)
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                got = _read(connection)
                self.got.append(got)
                self.news.put(got)
                self.behave(self, connection, got)
        connection.close()


def _read(connection: socket.socket) -> Got:
    with connection.makefile("rb") as file:
        head = file.readline().decode().strip()
        headers = {}
        while line := file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
    if "content-length" not in headers or len(body) < int(headers["content-length"]):
        raise ValueError("the sender was killed halfway")
    return Got(head, headers, body)


def answer(status: int = 200, headers: str = "", body: bytes = b"", times: int = 0) -> Behave:
    """Return who answers so; with `times`, so often, and 200 after that."""

    def behave(receiver: Receiver, connection: socket.socket, _: Got) -> None:
        now = status if not times or len(receiver.got) <= times else 200
        head = f"HTTP/1.1 {now} So\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return behave


def hang(receiver: Receiver, _connection: socket.socket, _: Got) -> None:
    """Take the request and say nothing."""
    receiver.closing.wait(PATIENCE)


def drip(receiver: Receiver, connection: socket.socket, _: Got) -> None:
    """Send a head that never ends, byte by byte."""
    while not receiver.closing.wait(0.02):
        connection.sendall(b"H")


def drip_body(receiver: Receiver, connection: socket.socket, _: Got) -> None:
    """Say 200, then go on byte by byte."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not receiver.closing.wait(0.02):
        connection.sendall(b"x")


def flood(receiver: Receiver, connection: socket.socket, _: Got) -> None:
    """Answer with a gigabyte, as far as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    chunk = b"x" * 65536
    while receiver.sent < 1 << 30 and not receiver.closing.is_set():
        connection.sendall(chunk)
        receiver.sent += len(chunk)


def endless_head(receiver: Receiver, connection: socket.socket, _: Got) -> None:
    """Send headers without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: " + b"x" * 8000 + b"\r\n"
    while receiver.sent < 1 << 30 and not receiver.closing.is_set():
        connection.sendall(line)
        receiver.sent += len(line)


@cache
def _zeros() -> bytes:
    """64 MiB of zeros, small."""
    return gzip.compress(b"\0" * (64 << 20))


def bomb(receiver: Receiver, connection: socket.socket, got: Got) -> None:
    """Answer with them."""
    answer(200, "Content-Encoding: gzip\r\n", _zeros())(receiver, connection, got)


def garbage(_receiver: Receiver, connection: socket.socket, _: Got) -> None:
    """Speak something else."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\x00\x01\x02")


def slam(_receiver: Receiver, _connection: socket.socket, _: Got) -> None:
    """Close without a word."""


class Closed:
    """A port on which nobody listens, and nobody else will."""

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]

    def __enter__(self) -> Closed:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"
