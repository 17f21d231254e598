"""Asks runs to end: one, or all that a query finds, each with its descendants."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from ..core import lifecycle
from ..core.errors import NotFound
from ..core.model import Run, Status
from ..store import Find
from .context import Context
from .supervisor import Supervisor

PATIENCE = 2.0
"""Seconds beyond the grace that a cancel waits for the process to be gone."""
PAGE, BATCH = 1000, 100
"""Runs that are found, and that are asked, in one transaction."""


@dataclass(slots=True)
class Asked:
    """Runs that were asked to end."""

    ids: dict[str, None] = field(default_factory=dict)
    """In the order in which they were asked."""
    live: list[str] = field(default_factory=list)
    """Those whose processes must end first."""
    grace: float = 0.0
    """Seconds that these may take."""


class Cancels:
    """All cancels of one engine."""

    def __init__(self, context: Context, supervisor: Supervisor) -> None:
        self._context, self._supervisor = context, supervisor

    async def one(self, run_id: str, reason: str | None, *, keep_scratch: bool = False) -> Asked:
        """Ask a run and its descendants. Raises NotFound, WrongState for a final run."""
        mark = partial(lifecycle.cancel, at=self._context.now(), reason=reason, keep_scratch=keep_scratch)
        asked = Asked()
        await self._ask(asked, self._context.store.change_tree(run_id, mark))
        return asked

    async def found(self, wanted: Find) -> Asked:
        """Ask all that a query finds, the queued ones first: none of them takes the slot of another."""
        ids, asked = await self._unfinished(wanted), Asked()
        mark = partial(lifecycle.cancel, at=self._context.now())
        for start in range(0, len(ids), BATCH):
            await self._ask(asked, self._context.store.change_trees(ids[start : start + BATCH], mark))
        return asked

    async def _unfinished(self, wanted: Find) -> list[str]:
        unfinished = [Status.QUEUED, Status.RUNNING]
        ids: dict[Status, list[str]] = {status: [] for status in unfinished}
        named = [status for status in unfinished if wanted.status is None or status in wanted.status]
        wanted = replace(wanted, status=named, page=1, page_size=PAGE, counted=False)
        while runs := (await self._context.store.find(wanted)).runs:
            for run in runs:
                ids[run.status].append(run.id)
            wanted = replace(wanted, after_seq=runs[-1].seq)
        return [run_id for status in unfinished for run_id in ids[status]]

    async def _ask(self, asked: Asked, marking: Awaitable[list[Run]]) -> None:
        with anyio.CancelScope(shield=True):  # what the rows say, the processes must hear
            for run in await marking:
                asked.grace = max(asked.grace, self._supervisor.cancelled(run))
                asked.ids[run.id] = None
                if run.status not in lifecycle.FINAL:
                    asked.live.append(run.id)

    async def gone(self, asked: Asked) -> None:
        """Return when their processes are gone, or after the longest grace and 2 s."""
        with anyio.move_on_after(asked.grace + PATIENCE):
            for run_id in asked.live:
                with suppress(NotFound):
                    await self._supervisor.until_final(run_id)
