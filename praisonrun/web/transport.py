"""What a connection sends: writes of one step of the loop as one piece, and whole answers of the guard."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

ABORT = "praisonrun.abort"
"""The extension of a scope that ends its connection in the middle of an answer."""
LARGE = 4 * 1024
"""Bytes of an answer that are sent at once."""

READ = 16 * 1024
"""Bytes that are read at once, and beyond which a connection reads no more of a body until they are taken."""
BEHIND = 32 * 1024
"""Bytes of an answer that may wait for a slow client, besides those in the system's socket buffer."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)
"""Headers of every answer that does not set its own."""


class CoalescingTransport:
    """A transport that collects the writes of one step of the loop and sends them together.

    uvicorn writes an answer's head and body apart, and a stream's last event and end: two system calls each,
    and a client woken twice.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._size = 0
        transport.set_write_buffer_limits(BEHIND)
        transport.max_size = READ  # type: ignore[attr-defined]  # asyncio reads 256 KiB

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data with this step's next writes; large data at once, to pause its writer in time."""
        self._held.append(data)
        self._size += len(data)
        if self._size > LARGE:
            self.flush()
        elif len(self._held) == 1:
            self._loop.call_soon(self.flush)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))


def written(answer: Response) -> bytes:
    """Return a whole answer as HTTP/1.1 bytes that end its connection."""
    pairs = [*answer.raw_headers, *HEADERS, (b"connection", b"close")]
    head = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
    return STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body)
