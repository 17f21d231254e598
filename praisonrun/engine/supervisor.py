"""Sees each claimed run to the end of its attempt, and settles what that end means.

What is live is kept here, in memory, because it can always be found again: the row says that a
run was claimed, the journal's lock whether it is alive, the journal what it did.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup

from ..agents import Catalog
from ..core import lifecycle
from ..core.errors import DiskFull, NotFound, PraisonrunError, Unavailable, reason
from ..core.model import Agent, Exit, Mode, Phase, Run, Snapshot
from ..core.notifier import DELIVERIES, Notifier, of_run
from ..files.run_files import RunDir
from ..journal.progress import Progress
from ..process.attempt import Attempt, Found, NeverStarted, Spawned, Spawner, look, lose
from ..process.spec import spec
from ..services.ports import Ports
from ..services.readiness import Services
from ..store import Store
from .installs import Installs
from .settle import Endings
from .viewers import Watch

log = logging.getLogger("praisonrun")
STORE_RETRY = 1.0
"""Seconds between two tries to write an end that the store refused (a full disk)."""
TROUBLE_RETRY = 30.0
"""Seconds between two tries after a fault of ours, which the log has."""
KNOWN = 1000
"""Versions of agents that need no look at the store; files and edits may bring any number."""
TRIES = 2
"""How often a shim that ended before the agent ran is made anew."""


@dataclass(slots=True)
class Live:
    """A claimed run: its row as of now, and what no row needs to hold."""

    run: Run
    agent: Agent
    progress: Progress
    attempt: Attempt | None = None
    phase: Phase = Phase.STARTING
    pid: int | None = None

    async def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        summary = await self.progress.look()
        scratch = self.agent.files and self.pid is not None
        return Snapshot(self.run, self.phase, self.pid, summary.progress, summary.usage, scratch)


class Supervisor:
    """Owns the live runs."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        rundir: RunDir,
        bells: Notifier,
        watch: Watch,
        spawner: Spawner,
        services: Services,
        ports: Ports,
        environ: Mapping[str, str],
        now: Callable[[], int],
    ) -> None:
        self._store, self._catalog, self._rundir = store, catalog, rundir
        self._bells, self._watch, self._spawner = bells, watch, spawner
        self._environ, self._now = environ, now
        self.services, self._ports = services, ports
        self._installs, self._endings = Installs(store, bells, now), Endings(rundir, services)
        self._tasks: TaskGroup | None = None
        self._envs: dict[str, Mapping[str, str]] = {}
        self._agents: dict[str, Agent] = {}
        self._asked: dict[str, Run] = {}
        self.live: dict[str, Live] = {}
        self.released: Callable[[Run], None] = lambda _: None
        """Told each run, as it then is, whose attempt is over. Set by the scheduler."""

    def keep(self, run: Run, agent: Agent, envs: Mapping[str, str]) -> None:
        """Remember what a submitted run needs at spawn and no row may hold."""
        self._know(run.version, agent)
        if envs:
            self._envs[run.id] = envs

    def forget(self, run_id: str) -> None:
        """Drop the envs of a run that needs them no more, and a service's port."""
        self._envs.pop(run_id, None)
        self._ports.release(run_id)

    async def begin(self, run: Run, tasks: TaskGroup) -> None:
        """Start the attempt of a run that was just claimed."""
        self._tasks = tasks
        live = self._enter(run, await self.agent_of(run))
        tasks.start_soon(self._see, live, self._start)

    async def resume(self, run: Run, boot: str, tasks: TaskGroup) -> None:
        """Pick up a run that an earlier server claimed."""
        self._tasks = tasks
        live = self._enter(run, await self.agent_of(run))
        self._installs.found(run, live.agent)
        if run.boot != boot:
            tasks.start_soon(self._see, live, self._after_reboot)
            return
        live.attempt = Found(self._rundir, run.id, run.attempt)
        self._watch.refresh(run.id)
        tasks.start_soon(self._see, live, self._find)

    def cancel(self, run: Run) -> float:
        """Ask the process of a run, whose row already says so, to end. Returns its grace in seconds."""
        live = self.live.get(run.id)
        if live is None:  # claimed, but not here yet
            self._asked[run.id] = run
            return 0.0
        live.run = run._replace(prompt=live.run.prompt, input=live.run.input)
        if live.attempt is not None:
            live.attempt.cancel()
        elif live.agent.install:
            self._installs.wake(run)
        return live.agent.grace

    def _enter(self, run: Run, agent: Agent) -> Live:
        run = self._asked.pop(run.id, run)
        live = Live(run, agent, Progress(lambda: self._rundir.reader(run.id), agent.format))
        self.live[run.id] = live
        self._watch.forget(run.id)
        return live

    async def agent_of(self, run: Run) -> Agent:
        """Return the version of its agent that the run was submitted with."""
        agent = self._agents.get(run.version)
        if agent is None:
            definition = (await self._store.version(run.version)).definition
            agent = self._know(run.version, Agent.from_definition(definition, {}))
        return agent

    def _know(self, version: str, agent: Agent) -> Agent:
        if len(self._agents) >= KNOWN:
            self._agents.clear()
        self._agents[version] = agent
        return agent

    async def _see(self, live: Live, how: Callable[[Live], Awaitable[Exit | None]]) -> None:
        run_id, number = live.run.id, live.run.attempt
        try:
            ended = await how(live)
        except Exception:
            log.exception("run %s: seeing its attempt %d through failed", run_id, number)
            if live.attempt is not None:
                live.attempt.cancel()
            ended = Exit(number, "lost", error="lost: internal error, see the server's log")
        self._installs.over(live.run, well=ended is not None and ended.installed)
        run = await self._insist(live, ended)
        if run is not None and run.status in lifecycle.FINAL:
            await self._clear(run, live.agent)
        self.live.pop(run_id, None)
        if run is not None and run.status in lifecycle.FINAL:
            self.forget(run_id)
            self._watch.ended(run)
            if run.webhook_url is not None:
                self._bells.ring(DELIVERIES)
        self._bells.ring(of_run(run_id))
        self.released(run or live.run)

    async def _clear(self, run: Run, agent: Agent) -> None:
        """Remove the scratch directory of a run that might have kept it and does not."""
        if run.scratch_until is None and lifecycle.may_keep_scratch(run, agent):
            await asyncio.to_thread(self._rundir.remove_scratch, run.id)

    async def _start(self, live: Live) -> Exit | None:
        number = live.run.attempt
        if live.run.env_names and live.run.id not in self._envs:
            names = ", ".join(live.run.env_names)
            why = "the server restarted before this run could start, and envs are never stored"
            return Exit(number, "env_lost", error=f"{why}; submit it again with {names}")
        for _ in range(TRIES):
            try:
                install = await self._installs.begin(live.run, live.agent, lambda: _given_up(live))
                if _given_up(live):
                    return Exit(number, "cancelled")
                attempt = await self._spawn(live, install=install)
            except PraisonrunError as refused:
                return Exit(number, "spawn_failed", error=refused.message)
            except OSError as error:
                return Exit(number, "spawn_failed", error=f"cannot make the run's files: {reason(error)}")
            with suppress(NeverStarted):
                return await attempt.wait(lambda pid, phase: self._started(live, pid, phase))
        return Exit(number, "spawn_failed", error="the shim ended before the agent started")

    async def _spawn(self, live: Live, *, install: bool) -> Spawned:
        run = live.run
        journal = self._journal(run)
        size = os.fstat(journal).st_size
        attempt = Spawned.start(self._rundir, run.id, run.attempt, journal, self._spawner)
        live.attempt = attempt
        try:
            agent = replace(live.agent, env=self._catalog.env_of(live.agent))
            given = self._envs.get(run.id, {})
            order = spec(run, agent, self._rundir, self._environ, given, size, install=install)
        except PraisonrunError:
            attempt.close()
            raise
        if live.run.cancel_requested_at is not None:
            attempt.cancel()
        await attempt.give(order)
        return attempt

    def _journal(self, run: Run) -> int:
        try:
            journal = self._rundir.create(run.id)
            self._watch.refresh(run.id, new=True)
        except FileExistsError:
            journal = self._rundir.reopen(run.id)
            self._watch.refresh(run.id)
        return journal

    def _started(self, live: Live, pid: int, phase: Phase) -> None:
        assert self._tasks is not None
        assert live.attempt is not None
        live.pid, live.phase = pid, phase
        if phase is Phase.RUNNING and live.agent.install:
            self._installs.over(live.run, well=True)
            self._tasks.start_soon(self._installs.keep, live.run)
        if phase is Phase.RUNNING and live.run.mode is Mode.SERVICE:
            self._tasks.start_soon(self.services.tend, live.run, live.agent, live.attempt.cancel)
        self._bells.ring(of_run(live.run.id))

    async def _find(self, live: Live) -> Exit | None:
        assert live.attempt is not None
        if live.run.cancel_requested_at is not None:
            live.attempt.cancel()
        while True:
            try:
                return await live.attempt.wait(lambda pid, phase: self._started(live, pid, phase))
            except NeverStarted:
                return None
            except OSError as trouble:  # no descriptor left, say: no reason to give up a living agent
                log.warning("run %s cannot be looked at: %s", live.run.id, trouble)
                await anyio.sleep(STORE_RETRY)

    async def _after_reboot(self, live: Live) -> Exit:
        """A lock proves nothing about another boot, and an unwritten end is a loss."""
        run_id, number = live.run.id, live.run.attempt
        with suppress(NeverStarted):
            if (ended := await look(self._rundir, run_id, number)) is not None:
                return ended
        return await lose(run_id, number, "the machine restarted")

    async def _insist(self, live: Live, ended: Exit | None) -> Run | None:
        """Write an end until the store takes it: the process is gone, so nothing else can tell it."""
        while True:
            try:
                return await self._settle(live, ended)
            except (DiskFull, Unavailable) as refused:
                log.warning("run %s has ended but the store refused it: %s", live.run.id, refused)
                await anyio.sleep(STORE_RETRY)
            except NotFound:
                return None
            except Exception:  # one run's end must not take the server down, now and at every start
                log.exception("run %s has ended but cannot be settled; trying again", live.run.id)
                await anyio.sleep(TROUBLE_RETRY)

    def journal_end(self, run_id: str) -> int:
        """Return the length of what a run's attempts wrote so far."""
        return self._endings.journal_end(run_id)

    async def _settle(self, live: Live, ended: Exit | None) -> Run:
        """Write what the end means; `None` is a claim whose agent never ran, which goes back to the queue."""
        at, run_id = self._now(), live.run.id
        if ended is None:
            return await self._store.change(run_id, lambda run: lifecycle.unclaim(run, at))
        ending = await self._endings.read(live.run, live.agent, live.progress, ended)
        return await self._store.change(run_id, lambda run: ending.settle(run, at))


def _given_up(live: Live) -> bool:
    return live.run.cancel_requested_at is not None
