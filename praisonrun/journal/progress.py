"""The summary of a growing journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from .format import START, Frame, Header, Kind
from .formats import FORMATS, Summary, frame_events
from .reader import Reader

GLANCE = 16 * 1024
"""Bytes of one read: no more than is parsed before other tasks run."""
HOPS = 512
"""Frames parsed before other tasks run: a few milliseconds' work."""


class Progress:
    """The summary of one journal. Each look reads only what is new."""

    def __init__(self, opened: Callable[[], Reader | None], format_name: str) -> None:
        """`opened` opens the journal, or returns None while there is none."""
        self._opened, self._format = opened, format_name
        self._structured = FORMATS[format_name].structured
        self._kinds = {Kind.EVENT, Kind.STARTED} | ({Kind.STDOUT} if self._structured else set())
        """The kinds of frames that have something for a summary."""
        self._offset = START
        self._summary = Summary()
        self.last: int | None = None
        """The offset of the last frame that was read."""

    async def look(self) -> Summary:
        """Return the summary as of now. Other tasks run in between while the journal is long."""
        while not self._look():  # noqa: ASYNC110 - there is no event to wait for: the work itself goes on
            await asyncio.sleep(0)
        return self._summary

    def _look(self) -> bool:
        """Read some new frames. Returns whether those were all."""
        reader = self._opened()
        if reader is None:
            return True
        with reader:
            hops = 0
            for some in self._new(reader):
                for found in some:
                    self._add(reader, found)
                hops += len(some)
                if hops >= HOPS:
                    return False
        return True

    def _add(self, reader: Reader, found: Frame | Header) -> None:
        if found.kind in self._kinds:
            frame = found if isinstance(found, Frame) else reader.frame(found)
            for event in frame_events(self._format, frame):
                self._summary.add(event)
        self._offset, self.last = found.end, found.offset

    def _new(self, reader: Reader) -> Iterator[Sequence[Frame | Header]]:
        """Yield what is new: whole frames if the format needs most of them, else headers only."""
        if self._structured:
            yield from reader.windows(self._offset, GLANCE)
        else:
            yield from ([header] for header in reader.headers(self._offset))
