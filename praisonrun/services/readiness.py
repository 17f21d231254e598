"""Services: whether each answers, and why one failed.

A service is a run that is not expected to end. Row, journal, shim and recovery are those of any run; here
is the rest. How a live service stands is kept here alone, in memory, because one look finds it again;
its port and when it was first ready stand in its row.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio

from ..core import lifecycle
from ..core.errors import PraisonrunError
from ..core.model import Agent, Condition, Exit, Failure, Outcome, Readiness, Run, Standing
from ..core.notifier import Notifier, of_run
from ..files.run_files import RunDir
from ..store import Store
from .probes import LONGEST, Probe, probe

log = logging.getLogger("praisonrun")
INTERVAL = 1.0
"""Seconds between the end of one look and the next; shorter while a service starts."""
FIRST_INTERVAL = 0.05
"""Seconds after the first look of a service that starts; doubles up to INTERVAL."""
UNHEALTHY_AFTER = 3
"""Looks in a row that must fail."""


def seen(before: Standing, found: Probe, at: int, *, was_ready: bool) -> Standing:
    """Return how a service stands after a look; `was_ready` says whether it ever was in this attempt."""
    failures = 0 if found.ok else before.failures + 1
    condition = before.condition
    if found.ok:
        condition = Condition.READY
    elif was_ready and failures >= UNHEALTHY_AFTER:
        condition = Condition.UNHEALTHY
    return Standing(
        condition, found.ok, before.attempts + 1, failures, found.status_code, found.error, checked_at=at
    )


def explained(outcome: Outcome, ended: Exit, readiness: Readiness, error: str | None, tail: str) -> Outcome:
    """Say why a service failed: what its last look found, and the last lines of its log."""
    if outcome.failure not in (Failure.READINESS_FAILED, Failure.EXITED):
        return outcome
    why = outcome.error
    if outcome.failure is Failure.READINESS_FAILED and ended.reason == "cancelled":
        why = f"{why} after {readiness.timeout_seconds:g}s{f': {error}' if error else ''}"
    return replace(outcome, error=f"{why}; its last lines:\n{tail}" if tail else f"{why}; it printed nothing")


@dataclass(slots=True)
class _Tended:
    """A live service that is watched."""

    standing: Standing = field(default_factory=Standing)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Services:
    """The readiness of all live services."""

    def __init__(self, store: Store, rundir: RunDir, bells: Notifier, now: Callable[[], int]) -> None:
        self._store, self._rundir, self._bells, self._now = store, rundir, bells, now
        self._tended: dict[str, _Tended] = {}

    def standing(self, run: Run) -> Standing:
        """Return how a live service stands."""
        tended = self._tended.get(run.id)
        standing = tended.standing if tended else Standing()
        if run.cancel_requested_at is not None:
            return replace(standing, condition=Condition.STOPPING)
        return standing

    async def tend(self, run: Run, agent: Agent, give_up: Callable[[], None]) -> None:
        """Look at a service whose process runs until `ended`; one not ready in time is given up."""
        tended = self._tended[run.id] = _Tended()
        with tended.scope:
            try:
                if not await self._until_ready(run, agent.readiness, tended, agent.files):
                    give_up()
                elif agent.readiness.type != "timeout":
                    await self._watch(run, agent, tended)
            except Exception:  # one service that cannot be looked at must not end the others
                log.exception("service %s: looking at it failed", run.id)

    def ended(self, run_id: str) -> str | None:
        """Stop looking at a service; return what the last look found wrong."""
        tended = self._tended.pop(run_id, None)
        if tended is None:
            return None
        tended.scope.cancel()
        return tended.standing.error

    async def _until_ready(self, run: Run, readiness: Readiness, tended: _Tended, files: bool) -> bool:
        if readiness.type == "timeout":
            await anyio.sleep(0 if run.ready_at else readiness.timeout_seconds)
            tended.standing = replace(tended.standing, condition=Condition.READY, ok=True)
            await self._first_ready(run, files, "its process lives")
            return True
        deadline, pause = anyio.current_time() + readiness.timeout_seconds, FIRST_INTERVAL
        while not tended.standing.ok:
            left = deadline - anyio.current_time()
            if run.ready_at is None and left <= 0:
                return False
            await self._look(run, readiness, tended, LONGEST if run.ready_at else min(LONGEST, left))
            if not tended.standing.ok:
                await anyio.sleep(
                    pause if run.ready_at else min(pause, max(deadline - anyio.current_time(), 0))
                )
                pause = min(pause * 2, INTERVAL)
        await self._first_ready(run, files, f"port {run.port} answers")
        return True

    async def _watch(self, run: Run, agent: Agent, tended: _Tended) -> None:
        was = tended.standing.condition
        while True:
            await anyio.sleep(INTERVAL)
            await self._look(run, agent.readiness, tended, LONGEST, was_ready=True)
            if tended.standing.condition is not was:
                was = tended.standing.condition
                self._tell(
                    run.id, agent.files, was, tended.standing.error or f"port {run.port} answers again"
                )

    async def _look(
        self, run: Run, readiness: Readiness, tended: _Tended, seconds: float, *, was_ready: bool = False
    ) -> None:
        assert run.port is not None
        found = await probe(readiness, run.port, seconds)
        before, was_ready = tended.standing, was_ready or run.ready_at is not None
        if found.cut_short and before.error is not None:  # the look before had time to see what is wrong
            found = replace(found, error=before.error)
        tended.standing = seen(before, found, self._now(), was_ready=was_ready)
        self._bells.ring(of_run(run.id))

    async def _first_ready(self, run: Run, files: bool, how: str) -> None:
        """Write that the service is ready; a store that refuses only loses the time of it."""
        at = self._now()
        if run.ready_at is None:
            self._tell(run.id, files, Condition.READY, how)
            try:
                await self._store.change(run.id, lambda run: lifecycle.ready(run, at))
            except PraisonrunError as refused:
                log.warning("service %s is ready but the store refused it: %s", run.id, refused)
        self._bells.ring(of_run(run.id))

    def _tell(self, run_id: str, files: bool, condition: Condition, how: str) -> None:
        """Have the service's shim write a line into its journal: it reads the FIFO that the agent has."""
        if not files:
            return
        line = {"type": "log", "source": "readiness", "condition": condition, "text": f"{condition}: {how}\n"}
        with suppress(OSError):
            path = self._rundir.folder(run_id) / "events"
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, json.dumps(line).encode() + b"\n")
            finally:
                os.close(fd)
