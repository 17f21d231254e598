"""A journal's output, byte for byte, and where its last lines begin. Neither holds more than a window."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from .backwards import frames_back
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

    Only a newline ends a line: progress bars are full of carriage returns. No more is read than these lines.
    """
    end, left = START, -1
    for frame in frames_back(reader, PIECE):
        end = max(end, frame.end)
        if frame.kind not in kinds or not frame.data:
            continue
        if left < 0:  # a last line without a newline is one, too
            left = count + frame.data.endswith(b"\n")
            if not left:
                return Place(end), end
        if (here := frame.data.count(b"\n")) >= left:
            return Place(frame.offset, len(frame.data.rsplit(b"\n", left)[0]) + 1), end
        left -= here
        del frame  # it may be long, and the one before it is read next
    return Place(), end


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
