"""Which finished runs have a large result that is copied from the journal into an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

from ..core.model import Run
from ..files.run_files import RunFiles
from ..journal.format import Header
from ..journal.large_results import LARGE, large_result

KNOWN = 1024
"""Runs whose results are not looked at again."""
PIECE = 64 * 1024
"""Bytes that are copied at once."""


class LargeResults:
    """Looks at one result at a time: a value takes many times the memory of its JSON."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._known: dict[tuple[str, int], Header | None] = {}
        self._turn = asyncio.Lock()

    async def of(self, run: Run) -> Header | None:
        """Return the frame that has the JSON of a finished run's large result; None for all others."""
        if run.journal_end is None or run.journal_end <= LARGE:
            return None
        key = (run.id, run.journal_end)
        if key not in self._known:
            async with self._turn:
                if key not in self._known:
                    self._known[key] = await asyncio.to_thread(self._files.read, run.id, large_result)
                    if len(self._known) > KNOWN:
                        del self._known[next(iter(self._known))]
        return self._known[key]

    async def copy(self, run: Run, frame: Header) -> AsyncIterator[bytes]:
        """Yield the JSON of a result in pieces; it ends early where the run was deleted meanwhile."""
        with self._files.reader(run.id) or nullcontext() as reader:
            for at in range(0, frame.length if reader else 0, PIECE):
                assert reader is not None
                yield reader.payload(frame, at, PIECE)
                await asyncio.sleep(0)
