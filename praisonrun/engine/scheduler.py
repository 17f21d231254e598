"""Decides which run goes next: first come first served within a priority, while there are slots."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup, TaskStatus

from ..agents import Catalog
from ..core.errors import PraisonrunError, Unavailable
from ..core.model import Agent, Mode, Run, Status
from ..core.notifier import QUEUE, Notifier
from ..store import Store
from .supervisor import Supervisor

log = logging.getLogger("praisonrun")
BATCH = 64
"""Runs claimed in one transaction at most."""
LOOK = 30.0
"""Seconds between two looks at what waits for its time: a laptop's sleep stops the clock that a pause is
measured by."""
STORE_RETRY = 1.0
"""Seconds until the next try after the store refused a claim."""


@dataclass(slots=True)
class Slots:
    """How many runs may be live, in all and by agent."""

    total: int
    taken: Counter[str] = field(default_factory=Counter)

    def free(self) -> int:
        """Return how many more runs may be live."""
        return self.total - self.taken.total()

    def fits(self, agent: str, limit: int | None, more: int = 0) -> bool:
        """Say whether one more run of an agent may be live beside `more` others about to be."""
        return self.free() > 0 and (limit is None or self.taken[agent] + more < limit)


class Scheduler:
    """Claims runs and hands them to the supervisor."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        bells: Notifier,
        supervisor: Supervisor,
        now: Callable[[], int],
        *,
        slots: int,
        boot: str,
    ) -> None:
        self._store, self._catalog, self._bells, self._now = store, catalog, bells, now
        self._supervisor, self._slots, self.boot = supervisor, Slots(slots), boot
        supervisor.released = self._released
        self._waiting = True
        """Whether a run may be queued that could be claimed: False only after a claim that found all."""
        self._left = False
        """Whether that claim left runs behind, which wait for their time or their agent's slot."""
        self._looked_at = 0
        """The time of the latest claim."""
        self._limits: dict[str, int | None] = {}
        self._tasks: TaskGroup | None = None

    @property
    def concurrency(self) -> int:
        """How many runs may be live."""
        return self._slots.total

    def reserve(self, agent: Agent) -> bool:
        """Take a slot for a run about to be submitted, if it may overtake nobody."""
        if self._tasks is None or self._waiting or not self._slots.fits(agent.name, agent.concurrency):
            return False
        self._slots.taken[agent.name] += 1
        return True

    def check_serving(self) -> None:
        """Raise Unavailable while nothing can be started: the server stops."""
        if self._tasks is None:
            raise Unavailable("the server is stopping", retry_after=5)

    def _take(self, run: Run) -> None:
        """Count a claimed run; services do not count: they would hold their slots for ever."""
        if run.mode is Mode.RUN:
            self._slots.taken[run.agent] += 1

    def release(self, agent: str) -> None:
        """Give a slot back."""
        self._slots.taken[agent] -= 1
        if not self._slots.taken[agent]:
            del self._slots.taken[agent]
        if self._left or self._waiting:
            self.wake()

    async def launch(self, run: Run) -> None:
        """Start a run that was born claimed, in its reserved slot."""
        assert self._tasks is not None
        await self._supervisor.begin(run, self._tasks)

    def wake(self) -> None:
        """Look at the queue: a run joined it, or could leave it now."""
        self._waiting = True
        self._bells.ring(QUEUE)

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Pick up what an earlier server left, then claim until cancelled. Live runs go on after that."""
        async with anyio.create_task_group() as tasks:
            for run in await self._store.running():
                self._take(run)
                await self._supervisor.resume(run, self.boot, tasks)
            self._tasks = tasks
            try:
                bell = self._bells.bell(QUEUE)
                pause = await self._turn()
                task_status.started()  # from here on a submit may find a free slot and nobody waiting
                while True:
                    with anyio.move_on_after(pause) as patience:
                        await bell.wait()
                    self._waiting |= patience.cancelled_caught
                    bell = self._bells.bell(QUEUE)
                    pause = await self._turn()
            finally:
                self._tasks = None

    async def _turn(self) -> float | None:
        """Claim what can be. Returns the seconds until more will be due, None when a bell will tell."""
        try:
            while self._waiting and (free := self._slots.free()) > 0:
                with anyio.CancelScope(shield=True):  # what is claimed must also be begun
                    await self._claim(min(free, BATCH))
            return await self._until_due()
        except PraisonrunError as refused:
            log.warning("the store refused a claim: %s", refused)
            return STORE_RETRY

    async def _claim(self, limit: int) -> None:
        assert self._tasks is not None
        self._limits = {agent.name: agent.concurrency for agent in self._catalog.all()}
        joined = self._bells.bell(QUEUE)
        self._looked_at = self._now()
        claimed = await self._store.claim(limit, self._looked_at, self.boot, self._fits)
        for run in claimed:
            self._take(run)
            await self._supervisor.begin(run, self._tasks)
        if len(claimed) == limit:
            self._left = True
            return
        self._left = await self._store.waiting()
        self._waiting = joined.is_set()

    async def _until_due(self) -> float | None:
        if not self._left or self._waiting:
            return None
        # Not from now: what became due since the claim was not claimed.
        due = await self._store.next_due(self._looked_at)
        return None if due is None else min((due - self._now()) / 1e6, LOOK)

    def _fits(self, agent: str, more: int) -> bool:
        """Asked by the store, inside the claim, on its thread: it only reads."""
        return self._slots.fits(agent, self._limits.get(agent), more)

    def _released(self, run: Run) -> None:
        if run.mode is Mode.RUN:
            self.release(run.agent)
        if run.status is Status.QUEUED:
            self.wake()
