"""Writes of one step of the loop leave a connection as one piece."""

from __future__ import annotations

import asyncio
from typing import Any

LARGE = 4 * 1024
"""Bytes of an answer that are sent at once."""


class CoalescingTransport:
    """A transport that collects the writes of one step of the loop and sends them together.

    uvicorn writes an answer's head and body apart, and a stream's last event and end: two system calls each,
    and a client woken twice.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._size = 0

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
        """Send what is held, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))
