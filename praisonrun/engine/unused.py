"""Versions of agents, and copies of crew files, that no run names any more: they go after 30 days.

A submit that is under way names a version before its run is stored. So a version goes only if no run named it
and nobody looked it up from one pass to the next, an hour later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import anyio

from ..store import Store
from .ages import Ages
from .retention import DAY, batches, guarded

EVERY = 3600.0
"""Seconds between two passes."""
UNUSED_AGE = 30 * DAY
"""Microseconds for which a version is kept after it was first seen, and a crew file after its last use."""
ROWS = 2000
"""Rows that one transaction reads."""
BATCH = 100
"""Versions, or files, that are removed at once."""


class Unused:
    """Removes what no run names."""

    def __init__(self, store: Store, crews: Path, present: Callable[[], set[str]], ages: Ages) -> None:
        """`present` returns the names of the agents in the agents file: the latest version of each stays."""
        self._store, self._crews, self._present, self._ages = store, crews, present, ages
        self._suspects: set[str] = set()
        """The versions that no run named at the last pass."""

    async def serve(self) -> None:
        """Make a pass each hour until cancelled."""
        while True:
            await anyio.sleep(EVERY)
            await guarded(partial(self.prune, self._ages.before(UNUSED_AGE)))

    async def prune(self, before: int) -> None:
        """Make one pass over what is older than `before` (microseconds)."""
        looked_up = self._store.forget_seen()
        unnamed = await self._unnamed(before)
        gone = unnamed & self._suspects - looked_up
        for batch in batches(gone, BATCH):
            unseen = [digest for digest in batch if not self._store.seen_lately(digest)]
            await self._store.delete_versions(unseen)
        self._suspects = unnamed - gone
        await self._prune_crews(before)

    async def _unnamed(self, before: int) -> set[str]:
        """Return the old versions that no run names, without the latest ones of present agents."""
        present, found, after = self._present(), set[str](), ""
        while versions := await self._store.old_versions(after, before, ROWS):
            found |= {digest for digest, agent, latest in versions if not (latest and agent in present)}
            after = versions[-1][0]
        seq = 0
        while found and (runs := await self._store.versions_of_runs(seq, ROWS)):
            found -= {version for _, version in runs}
            seq = runs[-1][0]
        return found

    async def _prune_crews(self, before: int) -> None:
        named, after = set[str](), ""
        while versions := await self._store.crews_of_versions(after, ROWS):
            named |= {crew for _, crew in versions if crew}
            after = versions[-1][0]
        files = self._crews.glob("*.yaml")
        while batch := await asyncio.to_thread(lambda: list(islice(files, BATCH))):
            await asyncio.to_thread(_remove, (file for file in batch if file.stem not in named), before)


def _remove(files: Iterator[Path], before: int) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            if file.stat().st_mtime_ns // 1000 < before:
                file.unlink()
