"""What changed in all runs since a point, and how far the live ones are: read only when somebody asks.

What clients see of a run is not in its row alone. A start is only in memory, so the row is touched once
somebody asks for changes. A run whose end is stored is shown as live until it has left, and one that an
earlier server started as queued until it is found, so the history stops before these until then. A cursor
therefore never passes what its client was not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..core.errors import NotFound, PraisonrunError
from ..core.model import Phase, Run, Snapshot, Status
from ..core.notifier import CHANGES, AnyOf, run_topic
from .context import Context, Live
from .pulse import Pulse
from .questions import Questions
from .waits import Waits

WINDOW = 100
"""Changes that are read at once."""


class Seen(NamedTuple):
    """A run that changed, as it is now."""

    rev: int
    id: str
    at: int
    """When; microseconds since the epoch."""
    shown: Snapshot | None
    """None: it was removed."""


class Window(NamedTuple):
    """Some changes, in the order of their revs."""

    changes: list[Seen]
    next: int
    """The rev that all of them are up to."""
    more: bool = False
    """Whether there is more to read at once."""
    reset: str = ""
    """Why nothing can be said of what changed since that rev: ahead, too_old."""


class Feed:
    """The history of all runs."""

    def __init__(
        self, context: Context, live: Mapping[str, Live], waits: Waits, questions: Questions
    ) -> None:
        self._store, self._notifier, self._live = context.store, context.notifier, live
        self._waits, self._questions = waits, questions
        self.pulse = Pulse(context, live)

    def changed(self) -> asyncio.Event:
        """Return the bell that the next change of any run will ring."""
        return self._notifier.bell(CHANGES)

    def bell(self, run_ids: Collection[str] = ()) -> AnyOf:
        """Return a bell that rings after the next change of any run, or news of one of these."""
        return AnyOf([self.changed(), *(self._notifier.bell(run_topic(run_id)) for run_id in run_ids)])

    async def now(self) -> int:
        """Return the rev up to which whoever looks from now on sees all. Raises Unavailable."""
        while True:
            ending = self._ending()
            rev = await self._store.rev_before(ending)
            if self._ending() <= ending:  # else an end may have been stored meanwhile
                return rev

    def _ending(self) -> set[str]:
        return {run_id for run_id, live in self._live.items() if live.settling}

    async def after(self, rev: int) -> Window:
        """Return what changed after a rev, as it is now. Raises Unavailable."""
        await self._touch_started()
        found = await self._store.changed_since(rev, WINDOW)
        if rev > found.last or rev < found.floor:
            return Window([], rev, reset="ahead" if rev > found.last else "too_old")
        seen: list[Seen] = []
        for change in found.found:
            run, snapshot = change.run, None
            if run is not None and self._hides(run):
                return Window(seen, change.rev - 1)
            if run is not None and (snapshot := await self._shown(run)) is None:
                continue  # its removal has a higher rev
            seen.append(Seen(change.rev, change.id, change.at, snapshot))
        return Window(seen, found.next, found.next < found.last)

    def _hides(self, run: Run) -> bool:
        """Say whether nobody can tell how a run is shown next: it rings when it has left, or is found."""
        live = self._live.get(run.id)
        if live is None or run.status is not Status.RUNNING:
            return live is not None
        return live.recovered and live.phase is Phase.STARTING

    async def _shown(self, run: Run) -> Snapshot | None:
        """Return a run whose row was read a moment ago, None if it was removed since."""
        if run.status is Status.RUNNING and run.id not in self._live:  # it ended, or is about to be entered
            try:
                run = await self._store.get(run.id)
            except NotFound:
                return None
        live = self._live.get(run.id)
        if live is None or run.status is not Status.RUNNING:
            return await self._waits.shown(run)
        shown = await live.snapshot()
        if _is_later(run, shown.run):  # a cancel is stored before its owner hears of it
            shown = replace(shown, run=run)
        return (await self._questions.open_of([shown]))[0]

    async def _touch_started(self) -> None:
        """Put what started since the last look among the changes."""
        started = {
            live: live.phase
            for live in self._live.values()
            if live.phase is not live.told and not live.settling
        }
        if not started:
            return
        told = {live: live.told for live in started}
        _note(started)
        try:
            await self._store.touch([live.run.id for live in started])
        except BaseException as fault:
            _note(told)
            if not isinstance(fault, PraisonrunError):  # a full disk must not keep the rest from being read
                raise


def _is_later(row: Run, known: Run) -> bool:
    """Say whether a row that was read is of the same attempt as what its owner knows, and newer."""
    newer = row.updated_at > known.updated_at or (row.asks_read or 0) > (known.asks_read or 0)
    return row.claim == known.claim and newer


def _note(phases: Mapping[Live, Phase]) -> None:
    for live, phase in phases.items():
        live.told = phase
