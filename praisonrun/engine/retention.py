"""Retention: scratch directories go after their time, and finished runs beyond an age or a total size.

The files of a run go before its row: a crash in between leaves a row, which is found again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

import anyio

from ..core.errors import PraisonrunError, reason
from ..core.lifecycle import FINAL
from ..core.model import Mode, Run
from ..files.run_files import RunFiles
from ..store import Store
from .ages import Ages

log = logging.getLogger("praisonrun")
EXPIRE_EVERY = 30.0
"""Seconds between two looks for scratch directories that were kept for long enough."""
FIRST_PRUNE = 60
"""Seconds from the start to the first look at all runs: a start has other work."""
PRUNE_EVERY = 600.0
"""Seconds between two looks at the age and size of all runs."""
BATCH, SCAN, MEASURED = 100, 500, 20
"""Runs that go in one transaction, rows looked at in one go, rows whose prompts are measured in one go."""
DAY, _SECOND = 86_400_000_000, 1_000_000
"""Microseconds."""
ORPHAN_AGE = 3600 * _SECOND
"""How long files without a row are left alone: their run may be about to be stored."""
YOUNG = 600 * _SECOND
"""How long a finished run is kept whatever it takes: somebody is about to read it."""
REMEMBERED = 7 * DAY
"""How long it is remembered that a run was removed."""
COUNTED = 366 * DAY
"""How long it is remembered how many runs ended in an hour."""
UNUSED = 30 * DAY
"""How long an agent's conversation is remembered after its last run, if that is removed."""
UNKNOWN = (
    "%s, perhaps beside others, is of no run in the database (an older one?): kept until you move it away"
)


@dataclass(frozen=True, slots=True)
class Keep:
    """How much is kept. 0 is no limit."""

    days: int = 30
    bytes: int = 2 << 30


def prunable(
    runs: Iterable[Run], too_old: Callable[[Run], bool], excess: int, sizes: Mapping[str, int]
) -> tuple[list[Run], int]:
    """Return which of some removable runs to remove, and the excess of bytes that is left then.

    They are the runs that are too old, and while there is an excess those that finished first.
    """
    gone = []
    for run in sorted(runs, key=lambda run: run.finished_at or 0):
        if too_old(run) or excess > 0:
            excess -= sizes.get(run.id, 0)
            gone.append(run)
    return gone, excess


def batches(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield some ids a few at a time."""
    left = iter(ids)
    while batch := list(islice(left, size)):
        yield batch


async def guarded(chore: Callable[[], Awaitable[object]]) -> None:
    """Do a chore; log its failure, because what an agent left must not take the server down."""
    try:
        await chore()
    except (PraisonrunError, OSError) as refused:
        log.warning("old runs could not be removed: %s", refused)
    except Exception:
        log.exception("looking for old runs failed")


class Retention:
    """Removes what is too old, at intervals."""

    def __init__(self, store: Store, files: RunFiles, ages: Ages, keep: Keep) -> None:
        self._store, self._files, self._ages, self._keep = store, files, ages, keep
        self._told = ""  # the unknown run that was named last

    async def serve(self) -> None:
        """Look for what is too old, until cancelled."""
        prune_at = self._ages.steady + FIRST_PRUNE * _SECOND
        while True:
            await asyncio.to_thread(self._ages.look)
            await guarded(self.expire)
            if self._ages.steady >= prune_at:
                prune_at = self._ages.steady + int(PRUNE_EVERY * _SECOND)
                await guarded(self.prune)
                await guarded(self.sweep)
            await anyio.sleep(EXPIRE_EVERY)

    async def expire(self) -> None:
        """Remove the scratch directories that were kept for long enough."""
        ages, kept = self._ages, 0
        while found := await self._store.expired_scratches(ages.now, BATCH, kept):
            gone = [run_id for run_id, ended, until in found if ages.older(ended, until - ended)]
            kept += len(found) - len(gone)
            await asyncio.to_thread(_each, self._files.remove_scratch, gone)
            await self._store.forget_scratches(gone)

    async def prune(self) -> int:
        """Remove the runs that are too old, or the oldest if all take too much; return how many."""
        period, count = self._keep.days * DAY, 0
        since = self._ages.before(period) if period else 0
        excess = await self._excess() if self._keep.bytes else 0
        async for runs, last in self._removable():
            sizes = await self._sizes(runs) if excess > 0 else {}
            gone, excess = prunable(runs, partial(self._older, period), excess, sizes)
            count += await self._remove(gone)
            if excess <= 0 and last.created_at >= since:
                break
        if count:
            log.info("%d old runs were removed", count)
        await self._store.forget_removed(self._ages.before(REMEMBERED))
        await self._store.forget_activity(self._ages.before(COUNTED))
        await self._store.forget_conversations(self._ages.before(UNUSED))
        return count

    def _older(self, period: int, run: Run) -> bool:
        return bool(period) and self._ages.older(run.finished_at or 0, period)

    async def _removable(self) -> AsyncIterator[tuple[list[Run], Run]]:
        """Yield finished runs that owe nothing and are not young, and the last run looked at."""
        after = 0
        while runs := await self._store.oldest(after, SCAN):
            yield [run for run in runs if run.status in FINAL and self._older(YOUNG, run)], runs[-1]
            after = runs[-1].seq

    async def _excess(self) -> int:
        """Return how many bytes the removable runs take too much. What cannot go does not count."""
        most = await asyncio.to_thread(self._files.usage) + await self._store.used_bytes()
        if most <= self._keep.bytes:
            return 0
        taken = [sum((await self._sizes(runs)).values()) async for runs, _ in self._removable()]
        return sum(taken) - self._keep.bytes

    async def _sizes(self, runs: list[Run]) -> dict[str, int]:
        """Return what some runs take, with their rows a few at a time: an input may have 8 MiB."""
        ids = [run.id for run in runs]
        sizes = await asyncio.to_thread(lambda: {run_id: self._files.size(run_id) for run_id in ids})
        for batch in batches(ids, MEASURED):
            for run_id, stored in (await self._store.stored_sizes(batch)).items():
                sizes[run_id] += stored
        return sizes

    async def sweep(self) -> None:
        """Remove files that belong to no run, unless a process holds them or they are young.

        A journal that tells of a run is kept, and named, unless the store knows that the run was removed.
        """
        unknown = ""
        with closing(self._files.ids_on_disk()) as run_ids:
            while chunk := await _some(run_ids):
                strangers = chunk - await self._store.known(chunk)
                removed = await self._store.removed(strangers) if strangers else set()
                unknown = max(unknown, await asyncio.to_thread(self._sweep, strangers, removed))
        await asyncio.to_thread(self._files.remove_orphans, self._orphaned)
        if unknown > self._told:
            self._told = unknown
            log.warning(UNKNOWN, self._files.journal(unknown))

    def _sweep(self, strangers: set[str], removed: set[str]) -> str:
        """Remove what can go, and return a run that must not, or an empty text."""
        kept = {run_id for run_id in strangers - removed if self._files.begun(run_id)}
        _each(partial(self._files.remove_idle, old=self._orphaned), strangers - kept)
        return max(kept, default="")

    def _orphaned(self, changed: int) -> bool:
        return self._ages.older(changed, ORPHAN_AGE)

    async def _remove(self, gone: list[Run]) -> int:
        """Remove these runs, and return how many; a run whose files stay keeps its row."""
        count = 0
        for batch in batches([run.id for run in gone if run.mode is Mode.RUN], BATCH):
            removed = await asyncio.to_thread(_each, self._files.remove, batch)
            await self._store.prune(removed)
            count += len(removed)
        # Here the rows go first: a service that is restarted meanwhile keeps its row, and so its files.
        for batch in batches([run.id for run in gone if run.mode is Mode.SERVICE], BATCH):
            await self._store.prune(batch)
            removed = sorted(set(batch) - await self._store.known(batch))
            await asyncio.to_thread(_each, self._files.remove, removed)
            count += len(removed)
        return count


async def _some(run_ids: Iterator[str]) -> set[str]:
    found: set[str] = set()
    with anyio.CancelScope(shield=True):  # a generator that a thread runs cannot be closed
        await asyncio.to_thread(lambda: found.update(islice(run_ids, SCAN)))
    return found


def _each(remove: Callable[[str], None], run_ids: Iterable[str]) -> list[str]:
    """Remove something of each of these runs; return those of which it is gone."""
    removed = []
    for run_id in run_ids:
        try:
            remove(run_id)
            removed.append(run_id)
        except OSError as error:  # costs no other run its turn
            log.warning("run %s could not be removed: %s", run_id, reason(error))
    return removed
