"""A journal's output, byte for byte, and where its last lines begin. Neither holds more than a window."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple

from .format import START, Frame, Kind
from .reader import Reader

PIECE = 64 * 1024
"""Bytes of output that are read at once: so much does a reader hold who takes nothing."""


class Place(NamedTuple):
    """A place in the output of a journal."""

    offset: int = START
    """Of a frame."""
    skip: int = 0
    """Bytes of its payload before the place."""


def last_lines(reader: Reader, kinds: Collection[Kind], count: int) -> tuple[Place, int]:
    """Return where the last `count` lines of some kinds of output begin, and the offset after the last frame.

    Only a newline ends a line: progress bars are full of carriage returns. Slow for long journals.
    """
    lines, end, whole = 0, START, True
    above: list[int] = []
    offsets: list[int] = []
    for frames in reader.windows():
        above.append(lines)
        offsets.append(frames[0].offset)
        end = frames[-1].end
        if printed := _printed(frames, kinds):
            lines += printed.count(b"\n")
            whole = printed.endswith(b"\n")
    before = lines + (not whole) - count
    if before <= 0:
        return Place(), end
    if before > lines:  # no line at all: the last one has no end
        return Place(end), end
    window = bisect_left(above, before) - 1
    return _after(reader.frames(offsets[window]), kinds, before - above[window]), end


def _after(frames: list[Frame], kinds: Collection[Kind], newlines: int) -> Place:
    """Return the place after some newlines, which these frames have."""
    for frame in frames:
        here = frame.data.count(b"\n") if frame.kind in kinds else 0
        if here >= newlines:
            return Place(frame.offset, len(frame.data) - len(frame.data.split(b"\n", newlines)[-1]))
        newlines -= here
    raise AssertionError("the lines were counted in these frames")


def output(reader: Reader, kinds: Collection[Kind], place: Place, end: float) -> Iterator[bytes]:
    """Yield the output of some kinds from a place on, up to the frame at the offset `end`."""
    offset, skip = place
    while offset < end and (header := next(reader.headers(offset), None)) is not None:
        if header.length < PIECE:
            piece, offset = _window(reader, kinds, offset, end)
            yield piece[skip:]
        else:
            if header.kind in kinds:
                for at in range(skip, header.length, PIECE):
                    yield reader.payload(header, at, PIECE)
            offset = header.end
        skip = 0


def _window(reader: Reader, kinds: Collection[Kind], offset: int, end: float) -> tuple[bytes, int]:
    """Return the output of one read, and the offset after it."""
    frames = [frame for frame in reader.frames(offset, PIECE) if frame.offset < end]
    return _printed(frames, kinds), frames[-1].end


def _printed(frames: list[Frame], kinds: Collection[Kind]) -> bytes:
    return b"".join(frame.data for frame in frames if frame.kind in kinds)
