"""Starts the user's own program when a run is finished, and when an agent asks something.

It reads the history of all runs as any client does. Each end and each question is told at most once: what was
finished or asked before this server started is known from the store, what came later from memory. What
happened while no server was up is told by the next one, unless it is old news by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import anyio

from ..config import callbacks
from ..config.callbacks import ON_ASK, ON_END
from ..core import clock
from ..core.errors import PraisonrunError
from ..core.lifecycle import FINAL
from ..core.model import Run, Snapshot
from ..store import Store
from .attempts import RETRY
from .feed import Feed

log = logging.getLogger("praisonrun")
REMEMBERED = 10_000
"""Ends and questions that are known to have been told."""
WAITING = 100
"""Calls that may wait for their turn; more are dropped, and counted."""
OLD = 3600 * 1_000_000
"""Microseconds after which an end is no news."""
PAUSE = 0.1
"""Seconds from one look to the next: what changes meanwhile is seen at once."""


class Call(NamedTuple):
    """A program that is to be started."""

    flag: str
    words: Sequence[str]


class Callbacks:
    """The programs of --on-end and --on-ask, one call at a time."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        programs: Mapping[str, Sequence[str]],
        call: Callable[[Sequence[str]], Awaitable[str]],
        home: str,
        now: Callable[[], int] = clock.now,
    ) -> None:
        """`programs` has a flag's words, `call` runs some and returns what went wrong, `home` is our URL."""
        self._store, self._now, self._feed = store, now, feed
        self._programs, self._call, self._home = programs, call, home
        self._told: dict[Hashable, None] = {}
        self._calls: asyncio.Queue[Call] = asyncio.Queue(WAITING)
        self._dropped, self._rev = 0, 0

    async def begin(self) -> None:
        """Note what an earlier server may have told. To be called before any run is looked after."""
        self._rev = await self._feed.now()
        ends = await self._store.latest_ends(self._now() - OLD, REMEMBERED // 2)
        asks = await self._store.open_asks(REMEMBERED // 2)
        self._told |= dict.fromkeys([*ends, *asks])

    async def serve(self) -> None:
        """Look for what is to be told, and tell it, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell)
            while True:
                bell = self._feed.changed()
                try:
                    more = await self._look()
                except PraisonrunError as trouble:
                    log.warning("%s wait: %s", " and ".join(self._programs), trouble.message)
                    await asyncio.sleep(RETRY)
                    more = True
                if not more:
                    await bell.wait()
                    await asyncio.sleep(PAUSE)

    async def _look(self) -> bool:
        """Put what is new in line; return whether there may be more."""
        window = await self._feed.after(self._rev)
        if window.reset:
            self._rev = await self._feed.now()
            return True
        for seen in window.changes:
            for key, call in self._news(seen.shown):
                if self._note(key):
                    self._put(call)
        self._rev = window.next
        return window.more

    def _news(self, shown: Snapshot | None) -> Iterator[tuple[Hashable, Call]]:
        """Yield what is to be told of a run, each with what it is remembered by."""
        if shown is None:
            return
        run = shown.run
        ended = run.finished_at if run.status in FINAL else None
        if ON_END in self._programs and ended is not None and self._now() - ended < OLD:
            yield (run.id, ended), self._filled(ON_END, run, **_end(run))
        for each in shown.open_questions if ON_ASK in self._programs else ():
            said = {"ask_id": each.id, "question": each.question}
            yield (run.id, each.id, each.asked_at), self._filled(ON_ASK, run, **said)

    def _filled(self, flag: str, run: Run, **more: object) -> Call:
        values = {"run_id": run.id, "agent": run.agent, "title": run.title or run.agent, **more}
        values["url"] = f"{self._home}/ui/runs/{run.id}"
        return Call(flag, callbacks.filled(self._programs[flag], values))

    def _note(self, key: Hashable) -> bool:
        """Remember that something is told; return whether it was not yet."""
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return True

    def _put(self, call: Call) -> None:
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            self._dropped += 1

    async def _tell(self) -> None:
        while True:
            flag, words = await self._calls.get()
            log.debug("%s starts %s", flag, words[0])
            if trouble := await self._call(words):
                log.warning("%s: %s %s", flag, words[0], trouble)  # its arguments may be secrets
            if self._dropped:
                log.warning("calls dropped because too many came at once: %d", self._dropped)
                self._dropped = 0


def _end(run: Run) -> dict[str, object]:
    seconds = "" if run.duration is None else f"{run.duration / 1e6:.0f}"
    return {"status": run.status, "error": run.error or "", "seconds": seconds}
