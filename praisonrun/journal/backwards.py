"""A journal read from its end, and the frame that a line is in: frames have no pointers back.

A header's check binds it to its offset, so that one can be found from anywhere before or after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, takewhile

from .format import BATCH, HEAD_SIZE, START, Frame, Header, Kind, decode, parse_header
from .reader import WINDOW, Reader

_KIND = re.compile(b"[%c-%c]" % (min(Kind), max(Kind)))
_AT = 3
"""The place of the kind in a header."""


def frames_back(reader: Reader, size: int = WINDOW) -> Iterator[Frame]:
    """Yield the whole frames of a journal from the last to the first, of `size` bytes in one read or more."""
    return chain.from_iterable(map(reversed, windows_back(reader, size)))


def latest_back(reader: Reader, size: int = WINDOW) -> Iterator[Frame]:
    """Yield what `frames_back` does of the latest attempt, since its last started frame."""
    return takewhile(lambda frame: frame.kind is not Kind.STARTED, frames_back(reader, size))


def windows_back(reader: Reader, size: int = WINDOW) -> Iterator[list[Frame]]:
    """Yield the frames of a journal, the last `size` bytes first; each list is in order."""
    end, more = reader.size(), True  # after the last whole frame there may be more bytes
    while end > START and (frames := _before(reader, end, size, more)):
        yield frames
        end, more = frames[0].offset, False
        del frames  # no more than one read is held


def _before(reader: Reader, end: int, size: int, more: bool) -> list[Frame]:
    """Return the frames in `size` bytes before `end`, or in as many as hold one; [] if there is none."""
    while True:
        base = max(START, end - size)
        window = reader.piece(base, end)
        for header in _headers(window, base):
            frames = list(decode(window, base, header.offset - base))
            if frames and (more or frames[-1].end == end):
                return frames
        if base == START:
            return []
        size *= 4


def _headers(window: bytes, base: int) -> Iterator[Header]:
    """Yield what is a header in some bytes of a journal."""
    for found in _KIND.finditer(window, _AT):
        at = found.start() - _AT
        if (header := parse_header(window, at, base + at)) is not None:
            yield header


def frame_of_line(reader: Reader, offset: int) -> int | None:
    """Return the offset of the frame of stdout that has a line at `offset` that is not its first."""
    base = max(START, offset - BATCH - HEAD_SIZE)
    window = reader.piece(base, offset)
    if window[-1:] != b"\n":
        return None
    for header in _headers(window, base):
        if header.kind is Kind.STDOUT and header.offset + HEAD_SIZE < offset < header.end <= reader.size():
            return header.offset
    return None
