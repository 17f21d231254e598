"""Puts what agents ask into runs that are shown. Of a run that never asked nothing is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.model import Snapshot, Status
from ..store import Store


class Questions:
    """The questions of all runs, as they are stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all_of(self, shown: Snapshot) -> Snapshot:
        """Return a run with its questions, whole: the open ones and the latest others."""
        if shown.run.asks_read is None:
            return shown
        return replace(shown, questions=await self._store.questions(shown.run.seq))

    async def open_of(self, shown: Sequence[Snapshot]) -> list[Snapshot]:
        """Return runs with their open questions, shortened."""
        asked = [each.run.seq for each in shown if _may_wait(each)]
        found = await self._store.open_questions(asked) if asked else {}
        return [replace(each, questions=found.get(each.run.seq, ())) if found else each for each in shown]


def _may_wait(shown: Snapshot) -> bool:
    return shown.run.asks_read is not None and shown.run.status is Status.RUNNING
