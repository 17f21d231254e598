"""What a journal comes to while it grows: the summary of a live run, as far as it was parsed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from .format import START, Frame, Header, Kind
from .formats import FORMATS
from .reader import Reader
from .summary import Summary

GLANCE = 16 * 1024
"""Bytes of one read of a growing journal."""
PARSED = 32 * 1024
"""Bytes that are parsed before other tasks run: a few milliseconds' work."""
HOPS = 512
"""Frames, likewise."""
GLANCES = 4
"""How often who asks lets other tasks run before it is answered with what was parsed."""
_SLICE = 0.1
"""Seconds for which a thread parses before it may be stopped."""


class Progress:
    """The summary of one journal. Each look reads only what is new."""

    def __init__(
        self, opened: Callable[[], Reader | None], format_name: str, begin: int | None = None
    ) -> None:
        """`opened` opens the journal, or returns None while there is none. Nothing before `begin` counts."""
        self._opened, self._format = opened, format_name
        self._structured = FORMATS[format_name].structured
        self._kinds = {Kind.EVENT, Kind.STARTED} | ({Kind.STDOUT} if self._structured else set())
        """The kinds of frames that have something for a summary."""
        self._offset = begin or START
        self._summary = Summary()
        self._catching_up: asyncio.Future[None] | None = None

    async def look(self) -> Summary:
        """Return the summary as far as it is known. Of a long journal the rest is parsed meanwhile."""
        for _ in range(GLANCES):
            if self._catching_up or self._glance():
                break
            await asyncio.sleep(0)
        else:
            self._catch_up()
        known = self._summary
        return replace(known, progress=dict(known.progress), usage=dict(known.usage))

    @property
    def known(self) -> Summary:
        """The summary as far as it was parsed."""
        return self._summary

    async def advance(self, most: int) -> int:
        """Parse about `most` bytes of what is new, or all; return how many. Other tasks run in between."""
        begin = self._offset
        while not (self._catching_up or self._glance() or self._offset >= begin + most):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return self._offset - begin

    async def whole(self) -> Summary:
        """Return the summary of all that is written."""
        while self._catching_up or not self._glance():
            await asyncio.shield(self._catch_up())
        return self._summary

    def _catch_up(self) -> asyncio.Future[None]:
        """Parse what there is in a thread; meanwhile nothing else does."""
        if self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self._parse())
            self._catching_up.add_done_callback(self._caught_up)
        return self._catching_up

    async def _parse(self) -> None:
        while not await asyncio.to_thread(self._slice):
            pass

    def _caught_up(self, done: asyncio.Future[None]) -> None:
        self._catching_up = None
        if not done.cancelled():
            done.exception()  # who asks next meets it, too

    def _slice(self) -> bool:
        until = time.monotonic() + _SLICE
        while not (done := self._glance()) and time.monotonic() < until:
            pass
        return done

    def _glance(self) -> bool:
        """Read some new frames. Returns whether those were all."""
        reader = self._opened()
        if reader is None:
            return True
        with reader:
            enough = self._offset + PARSED if self._structured else float("inf")
            for hops, found in enumerate(self._new(reader), start=1):
                if found.kind in self._kinds:
                    frame = found if isinstance(found, Frame) else reader.frame(found)
                    self._summary.add(self._format, frame)
                self._offset = found.end
                if hops == HOPS or found.end > enough:
                    return False
        return True

    def _new(self, reader: Reader) -> Iterator[Frame | Header]:
        """Return what is new: whole frames if the format needs most of them, else headers only."""
        if self._structured:
            return chain.from_iterable(reader.windows(self._offset, GLANCE))
        return reader.headers(self._offset)
