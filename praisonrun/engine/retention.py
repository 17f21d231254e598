"""What is too old goes: scratch directories that were kept for a while, runs beyond an age or a total size.

Never a run that is not final. Its files go before its row: a crash in between leaves what is found again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import anyio

from ..core.errors import PraisonrunError
from ..core.lifecycle import FINAL
from ..core.model import Mode, Run
from ..files.run_files import RunDir
from ..store import Store

log = logging.getLogger("praisonrun")
EXPIRE_EVERY = 30.0
"""Seconds between two looks for scratch directories whose time is over."""
FIRST_PRUNE = 60
"""Seconds after the start of the first such look: a start has other work."""
PRUNE_EVERY = 600.0
"""Seconds between two looks at the age and size of all runs."""
BATCH = 100
"""Runs that go in one transaction."""
SCAN = 500
"""Rows looked at in one go."""
ORPHAN_AGE = 3600
"""Seconds for which files without a row are left alone."""
_DAY, _SECOND = 86_400_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Keep:
    """How much is kept: 0 stands for no limit."""

    days: int = 30
    bytes: int = 2 << 30

    def since(self, at: int) -> int:
        """Return the time before which a run must have ended to be too old."""
        return at - self.days * _DAY if self.days else 0


def doomed(runs: Iterable[Run], since: int, excess: int, size: Callable[[str], int]) -> tuple[list[Run], int]:
    """Return which of these runs go, and how much of the excess is left then.

    Those that ended before `since`, and of the others the first that ended while there is an excess of bytes.
    """
    final = [run for run in runs if run.status in FINAL]
    gone = []
    for run in sorted(final, key=lambda run: run.finished_at or 0):
        if (run.finished_at or 0) < since or excess > 0:
            excess -= size(run.id)
            gone.append(run)
    return gone, excess


class Retention:
    """Removes what is too old, now and then."""

    def __init__(self, store: Store, rundir: RunDir, now: Callable[[], int], keep: Keep) -> None:
        self._store, self._rundir, self._now, self._keep = store, rundir, now, keep

    async def serve(self) -> None:
        """Look around until cancelled."""
        prune_at = self._now() + FIRST_PRUNE * _SECOND
        while True:
            at = self._now()
            try:
                await self.expire(at)
                if at >= prune_at:
                    prune_at = at + int(PRUNE_EVERY * _SECOND)
                    await self.prune(at)
                    await self.sweep(at)
            except (PraisonrunError, OSError) as refused:
                log.warning("old runs could not be removed: %s", refused)
            except Exception:  # what an agent left must not take the server down
                log.exception("looking for old runs failed")
            await anyio.sleep(EXPIRE_EVERY)

    async def expire(self, at: int) -> None:
        """Remove the scratch directories whose time is over."""
        while run_ids := await self._store.expired_scratches(at, BATCH):
            await asyncio.to_thread(_each, self._rundir.remove_scratch, run_ids)
            await self._store.forget_scratches(run_ids)

    async def prune(self, at: int) -> int:
        """Remove the runs that are too old or too much; return how many."""
        since, count, after = self._keep.since(at), 0, 0
        used = await asyncio.to_thread(self._rundir.usage) if self._keep.bytes else 0
        excess = used - self._keep.bytes if self._keep.bytes else 0
        while runs := await self._store.oldest(after, SCAN):
            gone, excess = await asyncio.to_thread(doomed, runs, since, excess, self._rundir.size)
            await self._remove([run.id for run in gone if run.mode is Mode.RUN])
            await self._remove_services([run.id for run in gone if run.mode is Mode.SERVICE])
            count, after = count + len(gone), runs[-1].seq
            if excess <= 0 and runs[-1].created_at >= since:
                break
        if count:
            log.info("%d old runs were removed", count)
        return count

    async def sweep(self, at: int) -> None:
        """Remove files that belong to no run, unless a process holds them or they are young."""
        with closing(self._rundir.ids_on_disk()) as run_ids:
            while chunk := await _some(run_ids):
                strangers = sorted(chunk - await self._store.known(chunk))
                await asyncio.to_thread(self._rundir.remove_idle, strangers, at - ORPHAN_AGE * _SECOND)

    async def _remove(self, run_ids: list[str]) -> None:
        for start in range(0, len(run_ids), BATCH):
            batch = run_ids[start : start + BATCH]
            await asyncio.to_thread(_each, self._rundir.remove, batch)
            await self._store.prune(batch)

    async def _remove_services(self, run_ids: list[str]) -> None:
        """Here the row goes first: a service that is started again meanwhile keeps it, and its files."""
        if run_ids:
            await self._store.prune(run_ids)
            known = await self._store.known(run_ids)
            gone = [run_id for run_id in run_ids if run_id not in known]
            await asyncio.to_thread(_each, self._rundir.remove, gone)


async def _some(run_ids: Iterator[str]) -> set[str]:
    found: set[str] = set()
    with anyio.CancelScope(shield=True):  # what a thread is at cannot be closed
        await asyncio.to_thread(lambda: found.update(islice(run_ids, SCAN)))
    return found


def _each(remove: Callable[[str], None], run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        remove(run_id)
