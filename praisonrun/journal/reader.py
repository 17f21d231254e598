"""Reads a run's journal. Nothing here writes. Standard library only: shims use it too.

Every walk ends after the last whole frame: before one that is still being written, and before bytes
that are no frame, which a power cut may leave.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from praisonrun.journal import format as journal
from praisonrun.journal.format import HEAD_SIZE, START, Frame, Header, Kind

WINDOW = 256 * 1024
"""Bytes of one read. A longer frame is read whole."""
_HEADERS = 4096
"""Bytes of one read that looks for headers only."""


class Tail(NamedTuple):
    """How a journal ends: what recovery and every settlement start from."""

    end: int
    """Offset after the last whole frame."""
    started: Any = None
    """The payload of the last started frame."""
    ended: Any = None
    """The payload of the ended frame after it; None if that attempt has not ended."""
    readable: bool = True
    """False for a journal of another version of praisonrun, whose frames are unknown."""
    whole: bool = True
    """Whether its header is: a journal that lost it, or is gone, proves nothing."""
    torn: bool = False
    """Whether more bytes follow, which are no frame."""


class Reader:
    """An open journal. Close it, or use it in a `with` block."""

    def __init__(self, fd: int) -> None:
        """`fd` is open for reading; `close` closes it."""
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
        """Say whether the journal is of this version of the format."""
        return not journal.is_another_version(os.pread(self._fd, START, 0))

    def size(self) -> int:
        """Return the bytes of the file, those after its last whole frame included."""
        return os.fstat(self._fd).st_size

    def piece(self, start: int, end: int) -> bytes:
        """Return some bytes of the file, whatever they are."""
        return os.pread(self._fd, end - start, start)

    def frames(self, offset: int, size: int = WINDOW, lines: int | None = None) -> list[Frame]:
        """Return the whole frames in `size` bytes from `offset` on, or the first one if it is longer.

        With `lines`, no more frames than that have so many.
        """
        decoded = journal.decode(os.pread(self._fd, size, offset), offset)
        found = list(decoded) if lines is None else _few(decoded, lines)
        if not found and (longer := self._header_at(offset)) is not None and longer.end - offset > size:
            found = list(journal.decode(os.pread(self._fd, longer.end - offset, offset), offset))
        return found

    def windows(
        self, offset: int = START, size: int = WINDOW, lines: int | None = None
    ) -> Iterator[list[Frame]]:
        """Yield the whole frames from `offset` on, `size` bytes or some `lines` of them at a time."""
        while frames := self.frames(offset, size, lines):
            yield frames
            offset = frames[-1].end

    def headers(self, offset: int = START) -> Iterator[Header]:
        """Yield the headers of the whole frames from `offset` on, without reading their payloads."""
        size = self.size()
        window, base = b"", offset
        while True:
            if not 0 <= offset - base <= len(window) - HEAD_SIZE:
                window, base = os.pread(self._fd, _HEADERS, offset), offset
            header = journal.parse_header(window, offset - base, offset)
            if header is None or header.end > size:
                return
            yield header
            offset = header.end

    def _header_at(self, offset: int) -> Header | None:
        return journal.parse_header(os.pread(self._fd, HEAD_SIZE, offset), 0, offset)

    def begins_frame(self, offset: int) -> bool:
        """Say whether a frame begins at `offset`."""
        return offset >= START and self._header_at(offset) is not None

    def payload(self, header: Header, at: int = 0, size: int | None = None) -> bytes:
        """Return a frame's payload, or `size` bytes of it from `at` on."""
        left = header.length - at
        return os.pread(self._fd, left if size is None else min(size, left), header.offset + HEAD_SIZE + at)

    def frame(self, header: Header) -> Frame:
        return Frame(header.kind, header.time, header.offset, self.payload(header))

    def last(self) -> Header | None:
        """Return the header of the last whole frame; None if there is none."""
        last = None
        for header in self.headers():
            last = header
        return last

    def tail(self) -> Tail:
        """Return how the journal ends, by its frames' headers."""
        if not self.readable():
            return Tail(START, readable=False)
        if len(os.pread(self._fd, START, 0)) < START:
            return Tail(START, whole=False)
        end, started, ended = START, None, None
        for header in self.headers():
            end = header.end
            if header.kind is Kind.STARTED:
                started, ended = header, None
            elif header.kind is Kind.ENDED:
                ended = header
        start, last = (header and journal.json_payload(self.payload(header)) for header in (started, ended))
        return Tail(end, start or None, last or None, torn=self.size() > end)


def _few(frames: Iterator[Frame], lines: int) -> list[Frame]:
    """Return the first frames, up to the one that makes it so many lines; a piece of a line counts as one."""
    found: list[Frame] = []
    for frame in frames:
        found.append(frame)
        lines -= frame.data.count(b"\n") or 1
        if lines <= 0:
            break
    return found
