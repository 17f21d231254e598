"""Retention: scratch directories go after their time, and finished runs beyond an age or a total size.

The files of a run go before its row: a crash in between leaves a row, which is found again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import anyio

from ..core.errors import PraisonrunError
from ..core.lifecycle import FINAL
from ..core.model import Mode, Run
from ..files.run_files import RunFiles
from ..store import Store

log = logging.getLogger("praisonrun")
EXPIRE_EVERY = 30.0
"""Seconds between two looks for scratch directories that were kept for long enough."""
FIRST_PRUNE = 60
"""Seconds from the start to the first look at all runs: a start has other work."""
PRUNE_EVERY = 600.0
"""Seconds between two looks at the age and size of all runs."""
BATCH = 100
"""Runs that go in one transaction."""
SCAN = 500
"""Rows looked at in one go."""
MEASURED = 20
"""Rows whose prompts and inputs are measured in one go: reading them holds up other reads."""
ORPHAN_AGE = 3600
"""Seconds for which files without a row are left alone: their run may be about to be stored."""
DAY, _SECOND = 86_400_000_000, 1_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much is kept. 0 is no limit."""

    days: int = 30
    bytes: int = 2 << 30

    def since(self, at: int) -> int:
        """Return the time before which a run must have ended to be too old."""
        return at - self.days * DAY if self.days else 0


def prunable(runs: list[Run], since: int, excess: int, size: Callable[[str], int]) -> tuple[list[Run], int]:
    """Return the runs to remove, and the excess of bytes that is left then.

    They are the runs that finished before `since`, and while there is an excess those that finished first.
    """
    final = [run for run in runs if run.status in FINAL]
    gone = []
    for run in sorted(final, key=lambda run: run.finished_at or 0):
        if (run.finished_at or 0) < since or excess > 0:
            excess -= size(run.id)
            gone.append(run)
    return gone, excess


def batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield some ids a few at a time."""
    left = iter(ids)
    while batch := list(islice(left, size)):
        yield batch


async def guarded(chore: Callable[[int], Awaitable[object]], at: int) -> None:
    """Do a chore; log its failure, because what an agent left must not take the server down."""
    try:
        await chore(at)
    except (PraisonrunError, OSError) as refused:
        log.warning("old runs could not be removed: %s", refused)
    except Exception:
        log.exception("looking for old runs failed")


class Retention:
    """Removes what is too old, at intervals."""

    def __init__(self, store: Store, files: RunFiles, now: Callable[[], int], keep: Keep) -> None:
        self._store, self._files, self._now, self._keep = store, files, now, keep

    async def serve(self) -> None:
        """Look for what is too old, until cancelled."""
        prune_at = self._now() + FIRST_PRUNE * _SECOND
        while True:
            at = self._now()
            await guarded(self.expire, at)
            if at >= prune_at:
                prune_at = at + int(PRUNE_EVERY * _SECOND)
                await guarded(self.prune, at)
                await guarded(self.sweep, at)
            await anyio.sleep(EXPIRE_EVERY)

    async def expire(self, at: int) -> None:
        """Remove the scratch directories that were kept for long enough."""
        while run_ids := await self._store.expired_scratches(at, BATCH):
            await asyncio.to_thread(_each, self._files.remove_scratch, run_ids)
            await self._store.forget_scratches(run_ids)

    async def prune(self, at: int) -> int:
        """Remove the runs that are too old, or the oldest if all take too much; return how many."""
        since, limit, count, after, excess = self._keep.since(at), self._keep.bytes, 0, 0, 0
        if limit:
            excess = await asyncio.to_thread(self._files.usage) + await self._store.used_bytes() - limit
        while runs := await self._store.oldest(after, SCAN):
            size = partial(self._size, await self._stored_sizes(runs) if excess > 0 else {})
            gone, excess = await asyncio.to_thread(prunable, runs, since, excess, size)
            await self._remove(gone)
            count, after = count + len(gone), runs[-1].seq
            if excess <= 0 and runs[-1].created_at >= since:
                break
        if count:
            log.info("%d old runs were removed", count)
        return count

    async def _stored_sizes(self, runs: list[Run]) -> dict[str, int]:
        """Return what the rows of some finished runs take, a few at a time: an input may have 8 MiB."""
        sizes = dict[str, int]()
        for ids in batches([run.id for run in runs if run.status in FINAL], MEASURED):
            sizes |= await self._store.stored_sizes(ids)
        return sizes

    def _size(self, stored: dict[str, int], run_id: str) -> int:
        return self._files.size(run_id) + stored.get(run_id, 0)

    async def sweep(self, at: int) -> None:
        """Remove files that belong to no run, unless a process holds them or they are young."""
        with closing(self._files.ids_on_disk()) as run_ids:
            while chunk := await _some(run_ids):
                strangers = sorted(chunk - await self._store.known(chunk))
                await asyncio.to_thread(self._files.remove_idle, strangers, at - ORPHAN_AGE * _SECOND)

    async def _remove(self, gone: list[Run]) -> None:
        for batch in batches([run.id for run in gone if run.mode is Mode.RUN], BATCH):
            await asyncio.to_thread(_each, self._files.remove, batch)
            await self._store.prune(batch)
        # Here the rows go first: a service that is restarted meanwhile keeps its row, and so its files.
        for batch in batches([run.id for run in gone if run.mode is Mode.SERVICE], BATCH):
            await self._store.prune(batch)
            removed = sorted(set(batch) - await self._store.known(batch))
            await asyncio.to_thread(_each, self._files.remove, removed)


async def _some(run_ids: Iterator[str]) -> set[str]:
    found: set[str] = set()
    with anyio.CancelScope(shield=True):  # a generator that a thread runs cannot be closed
        await asyncio.to_thread(lambda: found.update(islice(run_ids, SCAN)))
    return found


def _each(remove: Callable[[str], None], run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        remove(run_id)
