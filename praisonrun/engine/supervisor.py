"""The owner of every live run: each is entered here when it is claimed and left when its end is stored.

What is live is kept in memory, because it can always be found again: the row says that a run was claimed,
the journal's lock whether its process lives, the journal what it did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from ..core import lifecycle
from ..core.agent import Agent
from ..core.errors import PraisonrunError
from ..core.model import Exit, Failure, Mode, Phase, Run, Status
from ..core.notifier import CHANGES, DELIVERIES, run_topic
from ..files import answers
from ..journal.progress import Progress
from ..process.spawning import Spawner
from ..services.readiness import Services
from . import logged
from .asks import Asks
from .attempts import Attempts, patiently
from .context import Context, Live
from .reservations import Reservation, Reservations
from .settle import Settlements
from .versions import Installs, Versions
from .worktrees import Worktrees

log = logging.getLogger("praisonrun")

How = Callable[[Live], Awaitable[Exit | None]]


class Supervisor:
    """Sees each claimed run to the end of its attempt and has that end settled."""

    def __init__(self, context: Context, spawner: Spawner, reservations: Reservations) -> None:
        self._context, self._reservations = context, reservations
        self.versions = Versions(context.store)
        self._installs = Installs(context)
        self.worktrees = Worktrees(context)
        self._attempts = Attempts(context, spawner, self._installs, self.worktrees, self._started)
        self._services = Services(context.store, context.files, context.notifier, context.now)
        self.live: dict[str, Live] = {}
        self.asks = Asks(context, self.live)
        self._settlements = Settlements(context, self.asks, self.worktrees)
        self._tasks: TaskGroup
        self._early: dict[str, Run] = {}
        """Rows of cancels that came between a claim's commit and its entry here."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """See runs through inside this block, first those that an earlier server left. They outlive it."""
        async with anyio.create_task_group() as self._tasks:
            try:
                for run in await self._context.store.running():
                    await self._resume(run)
                self._tasks.start_soon(self.asks.serve)
                self._tasks.start_soon(self.worktrees.clear_left, self.live)
                self._reservations.open = True
                yield
            finally:
                self._reservations.open = False

    def keep(self, reservation: Reservation, run: Run, agent: Agent) -> None:
        """Let a run that is stored own its reservation: it starts if it was born claimed, else it waits."""
        self.versions.remember(run.version, agent)
        logged.step(run, "was submitted")
        if run.status is Status.RUNNING:
            reservation.owned = True
            self._tasks.start_soon(self._see_through, self._enter(run, reservation), self._attempts.start)
        else:
            self._reservations.queue(reservation)

    def begin(self, run: Run) -> None:
        """Start the attempt of a run that was just claimed. Nothing here waits or fails: it has an owner."""
        live = self._enter(run, self._reservations.claim(run))
        self._tasks.start_soon(self._see_through, live, self._attempts.start)

    async def _resume(self, run: Run) -> None:
        live = self._enter(run, self._reservations.claim(run))
        live.recovered = True
        try:
            self._know(live, await self.versions.of(run))
        except PraisonrunError as unreadable:  # costs this run, not the server's start
            log.warning("run %s: %s", run.id, unreadable)
        self._installs.found(live)
        self._context.viewers.asked(run.id)  # no ring was heard while there was no server
        how: How = self._attempts.find if run.boot == self._context.boot else self._attempts.after_reboot
        self._tasks.start_soon(self._see_through, live, how)

    def _enter(self, run: Run, reservation: Reservation) -> Live:
        live = self.live[run.id] = Live(run, reservation, Agent(run.agent, file=""))
        if run.worktree_base is not None:
            live.checkout = self._context.files.worktree(run.id).path
        if (row := self._early.pop(run.id, None)) is not None:
            live.asked(row)
        if (agent := self.versions.known.get(run.version)) is not None:
            self._know(live, agent)
        self._context.viewers.ends.pop(run.id, None)
        return live

    def _know(self, live: Live, agent: Agent) -> None:
        run, live.agent = live.run, agent
        # What an earlier life of a service used was counted at its end.
        begin = run.journal_end if run.mode is Mode.SERVICE else None
        live.progress = Progress(lambda: self._context.files.reader(run.id), agent.format, begin)

    async def _see_through(self, live: Live, how: How) -> None:
        ended = await self._end_of(live, how)
        self._installs.over(live.run, well=ended is not None and ended.installed)
        trouble = live.readiness.stop() if live.readiness else None
        live.settling = True
        run = await self._settlements.until_stored(live, ended, trouble)
        if run is not None and run.status in lifecycle.FINAL:
            await self._clear(live, run)
        self._leave(live, run)

    async def _end_of(self, live: Live, how: How) -> Exit | None:
        """Return how the attempt ended; None if it never started and may start again."""
        try:
            if live.progress is None:
                self._know(live, await patiently(live.run.id, lambda: self.versions.of(live.run)))
                self._installs.learnt(live)
            return await how(live)
        except PraisonrunError as unreadable:  # the version of its agent
            return await self._attempts.abandon(live, unreadable.message)
        except Exception:
            log.exception("run %s: seeing its attempt %d through failed", live.run.id, live.run.attempt)
            return await self._attempts.abandon(live, "internal error, see the server's log")

    def _started(self, live: Live, pid: int, phase: Phase) -> None:
        assert live.attempt is not None
        live.pid, live.phase = pid, phase
        logged.step(live.run, "attempt %d is %s, pid %d", live.run.attempt, phase, pid)
        if phase is Phase.RUNNING and live.agent.install:
            self._installs.over(live.run, well=True)
            self._tasks.start_soon(self._installs.keep, live.run)
        if phase is Phase.RUNNING and live.run.mode is Mode.SERVICE:
            live.readiness = self._services.watch(live.run, live.agent, live.attempt.cancel, self._tasks)
        self._context.notifier.ring(run_topic(live.run.id), CHANGES)

    def cancelled(self, row: Run) -> float:
        """Act on a cancel that the row has; return the seconds that its process may take."""
        live, grace = self.live.get(row.id), 0.0
        if row.status in lifecycle.FINAL:
            self._reservations.drop(row.id)
            if row.conversation is not None:  # another may have waited for it
                self._reservations.slots.wake()
            if row.worktree_base is not None:  # of an attempt before
                self._tasks.start_soon(self.worktrees.clear, row)
        elif live is None:  # claimed, but not entered yet
            self._early[row.id] = row
        else:
            logged.step(row, "is asked to end")
            live.asked(row)
            if live.attempt is not None:
                live.attempt.cancel()
            if live.preparing is not None:
                live.preparing.cancel()
            self._installs.wake()
            grace = live.agent.grace
        self._ring(row)
        return grace

    async def is_final(self, run_id: str) -> bool:
        """Say whether a run is final and has left. Raises NotFound."""
        if run_id in self.live:
            return False
        ends, store = self._context.viewers.ends, self._context.store
        return run_id in ends or (await store.get(run_id)).status in lifecycle.FINAL

    async def until_final(self, run_id: str) -> None:
        """Return once a run is final and has left. Raises NotFound."""
        while True:
            bell = self._context.notifier.bell(run_topic(run_id))
            if await self.is_final(run_id):
                return
            await bell.wait()

    async def _clear(self, live: Live, run: Run) -> None:
        """Put the scratch directory of a final run where it is kept, or remove what its shim did not."""
        files, kept = self._context.files, run.scratch_until is not None
        if run.asks_read is not None:
            await asyncio.to_thread(answers.remove, str(files.folder(run.id)))
        if kept or lifecycle.may_keep_scratch(run, live.agent) or run.failure is Failure.LOST:
            try:
                await asyncio.to_thread(files.keep_scratch if kept else files.remove_scratch, run.id)
            except Exception:  # retention finds what is left
                log.exception("run %s: removing its scratch directory failed", run.id)
        await self.worktrees.clear(run)

    def _leave(self, live: Live, run: Run | None) -> None:
        """Let go of a live run whose end is stored as `run`; None when its row is gone."""
        assert self.live.get(live.run.id) is live
        del self.live[live.run.id]
        if run is not None and run.status is Status.QUEUED:
            logged.step(run, "waits for its next attempt")
            self._reservations.queue(live.reservation)
        else:
            self._reservations.give_back(live.reservation)
        if run is not None and run.status in lifecycle.FINAL:
            self._context.viewers.ended(run)
        self._ring(run or live.run)

    def _ring(self, run: Run) -> None:
        final = run.status in lifecycle.FINAL
        if final:
            logged.finished(run)
        owed = final and run.webhook_url is not None
        self._context.notifier.ring(run_topic(run.id), CHANGES, *([DELIVERIES] if owed else []))
