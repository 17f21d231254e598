"""Decides which run goes next: first come first served within a priority, while there are slots."""

from __future__ import annotations

import logging

import anyio
from anyio.abc import TaskStatus

from ..core.clock import SetBack
from ..core.errors import PraisonrunError
from ..core.notifier import QUEUE
from ..store import ALL
from .attempts import RETRY
from .context import Context
from .reservations import RunSlots
from .supervisor import Supervisor

log = logging.getLogger("praisonrun")
BATCH = 64
"""Runs claimed in one transaction at most."""
LOOK = 30.0
"""Seconds between two looks at runs that are not due yet: a laptop's sleep stops the clock of a pause."""


class Scheduler:
    """Claims queued runs and hands them to the supervisor."""

    def __init__(self, context: Context, supervisor: Supervisor, slots: RunSlots) -> None:
        self._context, self._supervisor, self._slots = context, supervisor, slots
        self._looked_at = 0
        """The time of the latest claim."""
        self._clock, self._set_back = SetBack(context.now), False

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Pick up what an earlier server left, then claim until cancelled. Live runs outlive that."""
        await self._recall_pauses()
        async with self._supervisor.serving():
            bell = self._context.notifier.bell(QUEUE)
            pause = await self._turn()
            task_status.started()  # from here on a submit may find a free slot and nobody waiting
            while True:
                with anyio.move_on_after(pause) as patience:
                    await bell.wait()
                self._slots.waiting |= patience.cancelled_caught
                bell = self._context.notifier.bell(QUEUE)
                pause = await self._turn()

    async def _recall_pauses(self) -> None:
        paused = self._slots.paused
        paused.update(await self._context.store.paused())
        if paused:
            whose = "all agents" if ALL in paused else ", ".join(sorted(paused))
            log.warning("paused, and waiting for `praisonrun resume`: %s", whose)

    async def _turn(self) -> float | None:
        """Claim what can be. Returns the seconds until more is due, None when a bell will tell."""
        self._set_back |= self._clock.look()
        try:
            if self._set_back:
                await self._context.store.hasten(self._context.now())
                self._set_back = False
                self._slots.waiting = True
            while self._slots.waiting and (free := self._slots.free()) > 0:
                with anyio.CancelScope(shield=True):  # a claim that committed must also be entered
                    await self._claim(min(free, BATCH))
            if not self._slots.left_behind or self._slots.waiting:
                return None
            # Not from now: what became due since the claim was not claimed.
            due = await self._context.store.next_due(self._looked_at)
            return None if due is None else min((due - self._context.now()) / 1e6, LOOK)
        except PraisonrunError as rejected:
            log.warning("the store rejected a claim: %s", rejected)
            return RETRY

    async def _claim(self, limit: int) -> None:
        context, slots = self._context, self._slots
        limits = {agent.name: agent.concurrency for agent in context.catalog.all()}

        def fits(agent: str, more: int, own_limit: int | None) -> bool:  # called on the store's thread
            # The latest version's own limit counts for agents of other files than the main.
            return slots.fits(agent, limits.get(agent, own_limit), more)

        joined = context.notifier.bell(QUEUE)
        self._looked_at = context.now()
        claimed = await context.store.claim(limit, self._looked_at, context.boot, fits, context.files.prepare)
        for run in claimed:
            self._supervisor.begin(run)
        slots.left_behind = len(claimed) == limit or await context.store.waiting()
        if len(claimed) < limit:
            slots.waiting = joined.is_set()
