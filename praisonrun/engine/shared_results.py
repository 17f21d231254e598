"""Results as JSON text for the last events of runs: a large one is in memory once for all who are sent it."""

from __future__ import annotations

import asyncio
from secrets import token_hex
from weakref import WeakValueDictionary

from ..core.json import dumps
from ..core.model import Run
from ..journal.results import Result
from .journals import Journals

LARGE = 64 * 1024
"""Bytes of a text that is worth sharing."""
MARK = token_hex(16)
"""Stands for a result in the text of an event; no agent can know it."""
_MARKED = dumps(MARK)


class Apart:
    """A result whose text is made apart from the events that have it."""

    def __init__(self, answer: Result) -> None:
        self._text = dumps(answer.value)
        self.answer = answer._replace(value=MARK)
        """The result, with the MARK for its value."""

    def pieces(self, text: bytes) -> list[bytes]:
        """Return the text of events with the result in place of the MARK: a piece of its own if large."""
        if len(self._text) <= LARGE:
            return [text.replace(_MARKED, self._text)]
        first, *others = text.split(_MARKED)
        return [first, *(piece for other in others for piece in (self._text, other))]


class SharedResults:
    """Makes one result at a time. Who has it holds it; whoever asks meanwhile is given the same."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals
        self._held: WeakValueDictionary[tuple[str, int], Apart] = WeakValueDictionary()
        self._turn = asyncio.Lock()

    async def apart(self, run: Run) -> Apart | None:
        """Return the result of a finished run that may be large; None of a run whose journal is not."""
        if run.journal_end is None or run.journal_end <= LARGE:
            return None
        key = (run.id, run.journal_end)
        async with self._turn:
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = Apart(await self._journals.result(run))
        return held
