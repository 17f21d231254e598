"""Since when a server has had nothing to do: one that nobody started by hand shall not stay for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from ..core.errors import PraisonrunError
from ..core.model import Status
from .engine import Engine


class Idle:
    """Says when a server has been idle for so many seconds.

    It is not while a run or a service lives, waits or is held, a webhook is owed, or a stream or a poll is
    open. What is asked of it, or changes, begins the time anew.
    """

    def __init__(
        self, engine: Engine, seconds: float | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Without `seconds` it never says so."""
        self._engine, self._seconds, self._now = engine, seconds, now
        self._since, self._changed = now(), engine.feed.changed()
        self._asked = 0
        self._open: set[asyncio.Task[None]] = set()
        """Requests that were being answered at the last look."""

    async def over(self, asked: int, requests: Collection[asyncio.Task[None]]) -> bool:
        """Say whether the time is over; to be called each second.

        `asked` counts what was asked so far, `requests` are being answered. After a yes nothing has happened
        since that any of them could have begun: the caller must not wait before it takes no more.
        """
        if self._seconds is None:
            return False
        lasting = self._open.intersection(requests)
        self._open = set(requests)
        if lasting or self._moved(asked):
            self._since, self._asked, self._changed = self._now(), asked, self._engine.feed.changed()
        if self._now() - self._since < self._seconds:
            return False
        if await self._owes():
            self._since = self._now()
            return False
        return not requests and not self._moved(asked)

    @property
    def ends(self) -> bool:
        """Whether it ever says so."""
        return self._seconds is not None

    def never(self) -> None:
        """Never say so from now on."""
        self._seconds = None

    def _moved(self, asked: int) -> bool:
        return bool(self._engine.live) or self._changed.is_set() or asked != self._asked

    async def _owes(self) -> bool:
        """Say whether a run waits or is held, or a webhook is owed; also where the store cannot tell."""
        store = self._engine.store
        try:
            return bool((await store.totals())[Status.QUEUED]) or await store.outbox.next_due(-1) is not None
        except PraisonrunError:
            return True
