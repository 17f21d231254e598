"""The summary of a growing journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from .format import START, Frame, Header, Kind
from .formats import FORMATS, Summary, events
from .reader import Reader

GLANCE = 16 * 1024
"""Bytes read at once where other tasks wait: no more than is looked at before they run."""
HOPS = 512
"""Frames looked at in one go: a few milliseconds where each has to be read."""


class Progress:
    """The summary of a growing journal; each look reads only what is new."""

    def __init__(self, opened: Callable[[], Reader | None], format_name: str) -> None:
        """`opened` opens the journal, or returns None while there is none."""
        self._opened, self._format = opened, format_name
        self._structured = FORMATS[format_name].structured
        self._telling = {Kind.EVENT, Kind.STARTED} | ({Kind.STDOUT} if self._structured else set())
        self._offset = START
        self._summary = Summary()
        self.last: int | None = None
        """The offset of the last frame that was looked at."""

    async def look(self) -> Summary:
        """Return the summary as of now. Other tasks get their turn during a long journal."""
        while not self._look():  # noqa: ASYNC110 - nothing to wait for: the work itself goes on
            await asyncio.sleep(0)
        return self._summary

    def _look(self) -> bool:
        """Take in some frames. Returns whether those were all."""
        reader = self._opened()
        if reader is None:
            return True
        with reader:
            hops = 0
            for some in self._new(reader):
                for found in some:
                    self._take(reader, found)
                hops += len(some)
                if hops >= HOPS:
                    return False
        return True

    def _take(self, reader: Reader, found: Frame | Header) -> None:
        if found.kind in self._telling:
            frame = found if isinstance(found, Frame) else reader.frame(found)
            for event in events(self._format, frame):
                self._summary.add(event)
        self._offset, self.last = found.end, found.offset

    def _new(self, reader: Reader) -> Iterator[Sequence[Frame | Header]]:
        """Yield what was not looked at yet: whole where most of it tells, else hopping over what does not."""
        if self._structured:
            yield from reader.windows(self._offset, GLANCE)
        else:
            yield from ([header] for header in reader.headers(self._offset))
