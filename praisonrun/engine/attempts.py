"""How one attempt of a live run ends: started, found again after a restart of the server, or given up."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeAlias, TypeVar

import anyio

from ..core.conversation import NO_OPENING, Opening, opening
from ..core.errors import PraisonrunError, Unavailable, Unreadable, reason
from ..core.model import Exit, Phase
from ..journal.format import START
from ..process.attempt import SLACK, Attempt, Spawned
from ..process.ends import NeverStarted, look, lose
from ..process.found import Found
from ..process.shim.agent import passes
from ..process.spawning import Spawner
from ..process.spec import INSTALL_TIMEOUT, spec
from .context import Context, Live
from .versions import Installs
from .worktrees import Worktrees

log = logging.getLogger("praisonrun")
T = TypeVar("T")
Tell: TypeAlias = Callable[[Live, int, Phase], None]
"""Told each process of an attempt, its pid and its phase."""
RETRY = 1.0
"""Seconds between two tries of what the disk or the system refused."""


async def patiently(run_id: str, read: Callable[[], Awaitable[T]]) -> T:
    """Return what is read from the store: a read that fails once must not cost the run."""
    while True:
        try:
            return await read()
        except Unreadable:
            raise
        except Unavailable as trouble:
            log.warning("run %s waits: %s", run_id, trouble)
            await anyio.sleep(RETRY)


class Attempts:
    """Starts the attempts of live runs and waits for their ends."""

    def __init__(
        self, context: Context, spawner: Spawner, installs: Installs, worktrees: Worktrees, started: Tell
    ) -> None:
        self._context, self._spawner, self._installs, self._started = context, spawner, installs, started
        self._worktrees = worktrees

    async def start(self, live: Live) -> Exit | None:
        """Start the agent of a run that was just claimed, and wait for its end."""
        number = live.run.attempt
        if missing := sorted(set(live.run.env_names) - live.reservation.envs.keys()):
            why = "the server restarted before this run could start, and envs are never stored"
            return Exit(number, "env_lost", error=f"{why}; submit it again with {', '.join(missing)}")
        try:
            ended = await self._start(live)
        except PraisonrunError as rejected:
            return Exit(number, "spawn_failed", error=rejected.message)
        except NeverStarted:
            ended = Exit(number, "not_started", error="the process that was to start the agent ended before")
        except OSError as error:
            word = "not_started" if passes(error) else "spawn_failed"
            ended = Exit(number, word, error=f"cannot make the run's files: {reason(error)}")
        if ended and ended.reason == "not_started" and not live.run.uncounted:
            log.warning("run %s was not started and will be tried again: %s", live.run.id, ended.error)
        return ended

    async def _start(self, live: Live) -> Exit | None:
        """Try to start the agent, and wait for its end. Raises NeverStarted."""
        await self._worktrees.prepare(live)
        opened = await self._opening(live)
        install = await patiently(live.run.id, lambda: self._installs.begin(live))
        if live.given_up:
            return Exit(live.run.attempt, "cancelled")
        # It has it in `live` first: a cancel finds it there.
        attempt = await self._spawn(live, opened, install=install)
        try:
            return await attempt.wait(partial(self._told, live, attempt))
        except OSError as trouble:  # its agent may have run: what it left must be found and ended
            log.warning("run %s cannot be looked at: %s", live.run.id, trouble)
        return await self.find(live)

    def _told(self, live: Live, attempt: Attempt, pid: int, phase: Phase) -> None:
        """Pass on what is told of a process, and have its shim looked after once that is overdue."""
        limit = live.run.timeout if phase is Phase.RUNNING else INSTALL_TIMEOUT
        if limit is not None:
            attempt.end_within(limit + live.agent.grace + SLACK)
        self._started(live, pid, phase)

    async def _opening(self, live: Live) -> Opening:
        """Return how this attempt opens its conversation: only the run whose turn it is changes that."""
        key, store = live.run.conversation, self._context.store
        if key is None:
            return NO_OPENING
        known = await patiently(live.run.id, lambda: store.conversation(key))
        return opening(live.agent, store.id, key, known)

    async def _spawn(self, live: Live, opened: Opening, *, install: bool) -> Spawned:
        run, context = live.run, self._context
        run = run._replace(cwd=live.directory or run.cwd)
        mark, (journal, size) = context.mark(run), self._journal(run.id)
        live.attempt = attempt = Spawned.start(context.files, mark, journal, self._spawner)
        try:
            agent = replace(live.agent, env=context.catalog.env_of(live.agent))
            environ, envs = context.catalog.environ, live.reservation.envs
            order = spec(run, mark, agent, context.files, environ, envs, size, install, opened)
        except BaseException:  # a shim that waits for its spec ends when its lifeline closes
            attempt.close()
            raise
        await attempt.give({**order, "note": live.note if run.attempt == 1 else "", **context.user})
        return attempt

    def _journal(self, run_id: str) -> tuple[int, int]:
        """Lock a journal, which was made with the run's claim. Returns its descriptor and size."""
        journal = self._context.files.reopen(run_id)
        size = os.fstat(journal).st_size
        self._context.viewers.refresh(run_id, new=size <= START)
        return journal, size

    async def find(self, live: Live) -> Exit | None:
        """Wait for the end of an attempt that an earlier server started; None if its agent never ran."""
        self._context.viewers.refresh(live.run.id)
        return await self._end_of_found(live, self._told)

    async def after_reboot(self, live: Live) -> Exit:
        """Return how an attempt of another boot ended: a lock proves nothing, an unwritten end is a loss."""
        files, mark = self._context.files, self._context.mark(live.run)
        with suppress(NeverStarted):
            ended = await look(files, mark)
            if ended is not None and ended.reason != "not_started":
                return ended
        return await lose(files, mark, "the machine restarted", rebooted=True)

    async def abandon(self, live: Live, why: str) -> Exit:
        """End the process of an attempt that cannot be seen through, and say why.

        The lifeline may be closed by now, so the attempt is looked for as if by a new server.
        """
        ended = await self._end_of_found(live, lambda *_: None, cancel=True)
        if ended is None or ended.reason == "not_started":
            return Exit(live.run.attempt, "spawn_failed", error=why)
        return replace(ended, reason="lost", error=f"lost: {why}")

    async def _end_of_found(
        self, live: Live, told: Callable[[Live, Attempt, int, Phase], None], *, cancel: bool = False
    ) -> Exit | None:
        while True:
            live.attempt = attempt = Found(self._context.files, self._context.mark(live.run))
            if cancel or live.given_up:  # perhaps before the attempt was there
                attempt.cancel()
            try:
                return await attempt.wait(partial(told, live, attempt))
            except NeverStarted:
                return None
            except OSError as trouble:  # no descriptor left, say: no reason to give up a living agent
                log.warning("run %s cannot be looked at: %s", live.run.id, trouble)
                await anyio.sleep(RETRY)
