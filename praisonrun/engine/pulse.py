"""The latest progress and usage of live runs, read from their journals at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import inf
from typing import NamedTuple

from ..core.model import Json, Mode
from ..core.notifier import CHANGES
from .context import Context, Live

EVERY = 1.0
"""Seconds between two looks."""
RUNS, BYTES = 64, 1024 * 1024
"""Runs, and about how many bytes of their journals, that one look reads."""


class Beat(NamedTuple):
    """The latest value of a live run."""

    number: int
    """Higher than those of all values that were found before."""
    name: str
    """progress or usage."""
    run_id: str
    mode: Mode
    at: int
    """When it was found; microseconds since the epoch."""
    value: Mapping[str, Json]


class Pulse:
    """The values of all live runs, as far as somebody asked."""

    def __init__(self, context: Context, live: Mapping[str, Live]) -> None:
        self._notifier, self._now, self._live = context.notifier, context.now, live
        self._beats: dict[tuple[str, str], Beat] = {}
        self._looked, self._turn = -inf, 0
        self.number = 0
        """Of the latest beat."""

    @property
    def alive(self) -> bool:
        """Whether another look may find something."""
        return bool(self._live)

    def since(self, number: int) -> list[Beat]:
        """Return the values that were found after beat number `number`, in that order."""
        found = [beat for beat in self._beats.values() if beat.number > number and beat.run_id in self._live]
        return sorted(found)

    async def look(self) -> None:
        """Read what is new; nothing if the last look is less than a second ago. Rings for what it finds."""
        now = asyncio.get_running_loop().time()
        if now < self._looked + EVERY:
            return
        self._looked, before, left = now, self.number, BYTES
        for gone in [key for key in self._beats if key[0] not in self._live]:
            del self._beats[gone]
        for live in self._next():
            if left > 0 and live.progress is not None:
                with suppress(OSError):  # a journal that cannot be read has nothing new
                    left -= await live.progress.advance(left)
                self._note(live, "progress", live.progress.known.progress)
                self._note(live, "usage", live.progress.known.usage)
                self._turn = live.run.seq
        if self.number > before:
            self._notifier.ring(CHANGES)

    def _next(self) -> Iterable[Live]:
        """Return the live runs whose turn it is, so that all have one."""
        turns = sorted(self._live.values(), key=lambda live: (live.run.seq <= self._turn, live.run.seq))
        return turns[:RUNS]

    def _note(self, live: Live, name: str, value: Mapping[str, Json]) -> None:
        run, key = live.run, (live.run.id, name)
        known = self._beats.get(key)
        if not value:  # nothing yet, or not yet in a new attempt
            self._beats.pop(key, None)
        elif known is None or known.value != value:
            self.number += 1
            self._beats[key] = Beat(self.number, name, run.id, run.mode, self._now(), dict(value))
