"""A journal's attempts told apart: which of them wrote what, and the end of all that they printed."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from ..core.model import Json
from .format import START, Frame, Kind, said
from .reader import Reader

_PRINTED = (Kind.STDOUT, Kind.STDERR)
_INSIDE = bytes(range(0x80, 0xC0))
"""What stands inside a character of UTF-8, and so is no good beginning."""


class Chapters:
    """The attempts of one journal. Learns them from its headers, none of which it reads twice."""

    def __init__(self, *, many: bool) -> None:
        """Unless there can be `many`, one is all there is, and it starts near the journal's begin."""
        self._many = many
        self._known = START
        self._starts: list[int] = []
        self._numbers: list[int] = []

    def learn(self, reader: Reader, end: int) -> None:
        """Look at everything before `end`."""
        if self._starts and not self._many:
            return
        for header in reader.headers(self._known):
            if header.offset >= end:
                return
            self._known = header.end
            if header.kind is Kind.STARTED:
                self._note(header.offset, said(reader.payload(header)))

    def _note(self, offset: int, started: Json) -> None:
        """An attempt begins where a process of it is first known: its agent's, or its install command's."""
        if "pid" in started and started["attempt"] not in self._numbers[-1:]:
            self._starts.append(offset)
            self._numbers.append(started["attempt"])

    def opens(self, offset: int) -> bool:
        """Say whether an attempt begins with the frame at `offset`."""
        return offset in self._starts

    def number(self, offset: int) -> int:
        """Return the attempt that wrote the frame at `offset`, which `learn` has passed."""
        at = bisect_right(self._starts, offset)
        return self._numbers[at - 1] if at else 1


def last_frame(reader: Reader) -> int | None:
    """Return the offset of a journal's last frame."""
    last = None
    for header in reader.headers(START):
        last = header.offset
    return last


def last_output(reader: Reader, size: int) -> str:
    """Return the last `size` bytes of what was printed, with a line before each attempt but the first."""
    kept: deque[bytes] = deque()
    total, chapters = 0, Chapters(many=True)
    for frames in reader.windows(START):
        chapters.learn(reader, frames[-1].end)
        kept.append(b"".join(_said(frame, chapters) for frame in frames))
        total += len(kept[-1])
        while total - len(kept[0]) >= size:
            total -= len(kept.popleft())
    text = b"".join(kept)
    if len(text) > size:
        text = text[-size:].lstrip(_INSIDE)
    return text.decode("utf-8", "replace")


def _said(frame: Frame, chapters: Chapters) -> bytes:
    if frame.kind in _PRINTED:
        return frame.data
    if chapters.opens(frame.offset) and (number := chapters.number(frame.offset)) > 1:
        return b"--- attempt %d ---\n" % number
    return b""
