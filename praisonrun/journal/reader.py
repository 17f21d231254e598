"""Reads a run's journal: frames from an offset on, in bounded reads. Nothing here writes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from . import scan
from .format import START, Frame, Header

WINDOW = 256 * 1024
"""Bytes of one read. A longer frame is read whole."""


class Reader:
    """An open journal. Close it, or use it in a `with` block."""

    def __init__(self, fd: int) -> None:
        """`fd` is open for reading; the reader closes it."""
        self._fd = fd

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def readable(self) -> bool:
        """Say whether the journal is of this version."""
        return scan.readable(self._fd)

    def frames(self, offset: int, size: int = WINDOW) -> list[Frame]:
        """Return the whole frames in `size` bytes from `offset` on, or the first one if it is longer."""
        return scan.frames(self._fd, offset, size)

    def windows(self, offset: int, size: int = WINDOW) -> Iterator[list[Frame]]:
        """Yield the whole frames from `offset` on, `size` bytes of them at a time."""
        while frames := self.frames(offset, size):
            yield frames
            offset = frames[-1].end

    def headers(self, offset: int) -> Iterator[Header]:
        """Yield the headers of the whole frames from `offset` on, without reading their payloads."""
        return scan.headers(self._fd, offset)

    def payload(self, header: Header) -> bytes:
        """Return the bytes that a frame holds."""
        return scan.payload(self._fd, header)

    def frame(self, header: Header) -> Frame:
        """Return a frame whole."""
        return Frame(header.kind, header.time, header.offset, self.payload(header))

    def begins_frame(self, offset: int) -> bool:
        """Say whether a frame begins at `offset`."""
        return offset >= START and scan.header_at(self._fd, offset) is not None
