"""How old something surely is: nothing gets old because somebody sets a clock.

Rows and files have the wall clock's times. Beside it this counts steady time, which nobody sets, also over
restarts, and notes by how much the wall clock was ahead of it, each time that changes. Something is older
than a period only if it is by every such difference of that period.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

from ..config import private_file
from ..core import clock

FILE = "clock.json"
TOLERANCE = 10_000_000
"""Microseconds that the wall clock may drift until it counts as set."""
BELIEVED = 7 * 86_400_000_000
"""The longest time for which the machine was off that the wall clock alone can tell."""
SAVE_EVERY = 600_000_000
MOST = 100
"""Differences that are kept; a clock that is set all the time makes everything younger, never older."""


class Ages:
    """The clocks of one state directory, as of the latest look at them."""

    def __init__(
        self,
        state: Path,
        boot: str,
        now: Callable[[], int] = clock.now,
        ticks: Callable[[], int] = clock.ticks,
    ) -> None:
        """`ticks` is steady within one `boot` of the machine."""
        self._file, self._boot, self._now, self._ticks = state / FILE, boot, now, ticks
        self.now, self._tick, self.steady = now(), ticks(), 0
        self._ahead: list[tuple[int, int]] = []
        """Since when (steady) the wall clock was ahead by how much, rising: what came before a smaller
        difference makes nothing younger."""
        self._future = (0, 0)
        """The latest time to come that anything had, and since when (steady) that is known."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            self._load(**json.loads(self._file.read_text()))
        self._saved = self.steady - SAVE_EVERY
        self.look()

    def _load(
        self, boot: str, tick: int, steady: int, ahead: list[tuple[int, int]], future: tuple[int, int]
    ) -> None:
        passed = self._tick - tick
        if boot != self._boot or passed < 0:  # the machine was off: only the wall clock may tell how long
            passed = min(max(self.now - steady - ahead[-1][1], 0), BELIEVED)
        ahead = [(int(since), int(by)) for since, by in ahead]
        self._ahead, self.steady = ahead, int(steady + passed)
        self._future = (int(future[0]), int(future[1]))

    def look(self) -> None:
        """Look at the clocks."""
        tick, self.now = self._ticks(), self._now()
        self.steady, self._tick = self.steady + tick - self._tick, tick
        by = self.now - self.steady
        moved = not self._ahead or abs(by - self._ahead[-1][1]) > TOLERANCE
        if moved:
            self._ahead = [*(each for each in self._ahead if each[1] < by), (self.steady, by)]
            del self._ahead[1 : 1 - MOST]
        if moved or self.steady >= self._saved + SAVE_EVERY:
            self._saved = self.steady
            saved: dict[str, object] = {"boot": self._boot, "tick": tick, "steady": self.steady}
            saved |= {"ahead": self._ahead, "future": self._future}
            with suppress(OSError):  # a full disk: what is not noted is noted later
                private_file.write(self._file, json.dumps(saved).encode())

    def before(self, period: int) -> int:
        """Return the wall clock's time before which something happened that is older than a period (µs)."""
        known = (by for (_, by), (until, _) in pairwise(self._ahead) if until > self.steady - period)
        return min([self.now, *(self.steady + by for by in known)]) - period

    def older(self, at: int, period: int) -> bool:
        """Say whether what happened at a time of the wall clock is older than a period (µs)."""
        if at > self.now + TOLERANCE:  # it was before the clock was set back
            self._future = max(self._future, (at, self.steady), key=itemgetter(0))
            return self.steady - max(self._future[1], self._ahead[-1][0]) > period
        return at < self.before(period)
