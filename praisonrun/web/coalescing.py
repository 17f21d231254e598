"""What leaves a connection in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

LARGE = 4 * 1024
"""Bytes of an answer that wait no longer for what follows."""


class Joined:
    """A transport that sends what is written within one step of the loop as one piece.

    uvicorn writes the head of an answer and its body apart, a stream's last event and its end too: each
    time two system calls, and a client woken twice.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send a piece, with what follows at once; not with much, for its writer must be paused in time."""
        self._held.append(data)
        self._size += len(data)
        if self._size > LARGE:
            self.flush()
        elif len(self._held) == 1:
            self._loop.call_soon(self.flush)

    def close(self) -> None:
        """Send what was written, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what was written."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))
