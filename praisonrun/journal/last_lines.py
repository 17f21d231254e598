"""A journal's output, byte for byte, and where its last lines begin. Neither holds more than a window."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from .backwards import frames_back
from .format import START, Frame, Kind
from .reader import Reader

PIECE = 64 * 1024
"""Bytes of output that are read at once: so much does a reader hold who takes nothing."""

Timed = Sequence[tuple[int, bytes]]
"""Output in parts, each with the microseconds at which it was printed."""
Show = Callable[[Timed], Iterable[bytes]]


class Place(NamedTuple):
    """A place in the output of a journal."""

    offset: int = START
    """Of a frame."""
    skip: int = 0
    """Bytes of its payload before the place."""


def last_lines(
    reader: Reader, kinds: Collection[Kind], count: int | None = None, since: int = 0
) -> tuple[Place, int]:
    """Return where the last `count` lines of some kinds of output begin, and the offset after the last frame.

    None of them is older than `since`, in microseconds. Only a newline ends a line: progress bars are full of
    carriage returns. No more is read than these lines.
    """
    end, left, many = START, -1, sys.maxsize - 1 if count is None else count
    for frame in frames_back(reader, PIECE):
        end = max(end, frame.end)
        if frame.time < since:
            return Place(frame.end), end
        if frame.kind not in kinds or not frame.data:
            continue
        if left < 0:  # a last line without a newline is one, too
            left = many + frame.data.endswith(b"\n")
            if not left:
                return Place(end), end
        if (here := frame.data.count(b"\n")) >= left:
            return Place(frame.offset, len(frame.data.rsplit(b"\n", left)[0]) + 1), end
        left -= here
        del frame  # it may be long, and the one before it is read next
    return Place(), end


def is_place(reader: Reader, place: Place) -> bool:
    """Say whether output can be read from a place on: a frame begins or is to come there."""
    last = next(frames_back(reader, PIECE), None)
    return reader.begins_frame(place.offset) or place == Place(last.end if last else START)


def joined(parts: Timed) -> Iterable[bytes]:
    """Return some output as one piece."""
    return [b"".join(data for _, data in parts)]


def output(
    reader: Reader, kinds: Collection[Kind], place: Place, end: float, show: Show = joined
) -> Iterator[bytes]:
    """Yield the output of some kinds from a place on, up to the frame at the offset `end`, as `show` does."""
    offset, skip = place
    while offset < end and (header := next(reader.headers(offset), None)) is not None:
        if header.length < PIECE:
            pieces, offset = _window(reader, kinds, Place(offset, skip), end, show)
            yield from pieces
        else:
            if header.kind in kinds:
                for at in range(skip, header.length, PIECE):
                    yield from show([(header.time, reader.payload(header, at, PIECE))])
            offset = header.end
        skip = 0


def _window(
    reader: Reader, kinds: Collection[Kind], place: Place, end: float, show: Show
) -> tuple[Iterable[bytes], int]:
    """Return the output of one read, and the offset after it."""
    frames = [frame for frame in reader.frames(place.offset, PIECE) if frame.offset < end]
    return show(timed(frames, kinds, place.skip)), frames[-1].end


def timed(frames: list[Frame], kinds: Collection[Kind], skip: int = 0) -> Timed:
    """Return the output in some frames, without the first bytes of the first frame."""
    found = [(frame.time, frame.data) for frame in frames if frame.kind in kinds]
    return [(found[0][0], found[0][1][skip:]), *found[1:]] if skip and found else found
