"""The one clock, and answers that hold for one turn of the loop. Decisions take the time as an argument."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
_TICKS: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS: the latter counts sleep, too


def now() -> int:
    """Return the time: microseconds since the epoch."""
    return time.time_ns() // 1000


def ticks() -> int:
    """Return microseconds of a clock that nobody sets: since the machine started, its sleep included."""
    return time.clock_gettime_ns(_TICKS) // 1000


def iso(at: int | None) -> str | None:
    """Return a time as the wires show it: UTC, milliseconds, `Z`."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SetBack:
    """Notices that the wall clock was set back: what was to come then would come too late."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._ahead: int | None = None

    def look(self) -> bool:
        """Say whether it was set back by a second or more since the last look; the first cannot know."""
        before, self._ahead = self._ahead, self._now() - ticks()
        return before is None or self._ahead < before - 1_000_000


class OncePerTick:
    """Remembers answers until the loop's next turn: a crowd of requests asks the disk once, not each."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, look: Callable[[], T]) -> T:
        """Return what `look` gives, or gave in this turn. Without a running loop it is always asked."""
        if key in self._known:
            known: T = self._known[key]
            return known
        answer = look()
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            if not self._known:
                loop.call_soon(self._known.clear)
            self._known[key] = answer
        return answer
