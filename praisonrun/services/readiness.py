"""Services: whether each answers, and why one failed.

The health of a live service is kept in memory alone, because one look finds it again; its port and the time
when it was first ready stand in its row.
"""

from __future__ import annotations

import json
import logging
import math
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskGroup

from ..core import lifecycle
from ..core.agent import Agent, Readiness
from ..core.errors import PraisonrunError
from ..core.model import Condition, Exit, Failure, Outcome, Run, ServiceHealth
from ..core.notifier import Notifier, run_topic
from ..files.run_files import RunFiles
from ..store import Store
from .ports import LONGEST, Probe, probe

log = logging.getLogger("praisonrun")
INTERVAL = 1.0
"""Seconds between the end of one look and the next; shorter while a service starts."""
FIRST_INTERVAL = 0.05
"""Seconds after the first look of a service that starts; doubles up to INTERVAL."""
UNHEALTHY_AFTER = 3
"""Looks in a row that must fail."""


def seen(before: ServiceHealth, found: Probe, at: int, *, was_ready: bool) -> ServiceHealth:
    """Return the health of a service after a look; `was_ready`: whether it ever was in this attempt."""
    failures = 0 if found.ok else before.failures + 1
    condition = before.condition
    if found.ok:
        condition = Condition.READY
    elif was_ready and failures >= UNHEALTHY_AFTER:
        condition = Condition.UNHEALTHY
    return ServiceHealth(
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


@dataclass(slots=True, eq=False)
class ReadinessWatch:
    """The looks at one live service, from the start of its process until `stop`."""

    run: Run
    agent: Agent
    health: ServiceHealth = field(default_factory=ServiceHealth)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def stop(self) -> str | None:
        """Look no more; return what the last look found wrong."""
        self.scope.cancel()
        return self.health.error


class Services:
    """Looks at live services."""

    def __init__(self, store: Store, files: RunFiles, notifier: Notifier, now: Callable[[], int]) -> None:
        self._store, self._files, self._notifier, self._now = store, files, notifier, now

    def watch(self, run: Run, agent: Agent, give_up: Callable[[], None], tasks: TaskGroup) -> ReadinessWatch:
        """Look at a service whose process runs until the watch stops; call `give_up` if it is not ready."""
        watch = ReadinessWatch(run, agent)
        tasks.start_soon(self._watch, watch, give_up)
        return watch

    async def _watch(self, watch: ReadinessWatch, give_up: Callable[[], None]) -> None:
        with watch.scope:
            try:
                if not await self._until_ready(watch):
                    give_up()
                elif watch.agent.readiness.type != "timeout":
                    await self._keep_looking(watch)
            except Exception:  # one service that cannot be looked at must not end the others
                log.exception("service %s: looking at it failed", watch.run.id)

    async def _until_ready(self, watch: ReadinessWatch) -> bool:
        readiness, was_ready = watch.agent.readiness, watch.run.ready_at is not None
        if readiness.type == "timeout":
            await anyio.sleep(0 if was_ready else readiness.timeout_seconds)
            watch.health = replace(watch.health, condition=Condition.READY, ok=True)
            await self._first_ready(watch, "its process lives")
            return True
        deadline = math.inf if was_ready else anyio.current_time() + readiness.timeout_seconds
        pause = FIRST_INTERVAL
        while not watch.health.ok:
            left = deadline - anyio.current_time()
            if left <= 0:
                return False
            await self._look(watch, min(LONGEST, left), was_ready=was_ready)
            if not watch.health.ok:
                await anyio.sleep(min(pause, max(deadline - anyio.current_time(), 0)))
                pause = min(pause * 2, INTERVAL)
        await self._first_ready(watch, f"port {watch.run.port} answers")
        return True

    async def _keep_looking(self, watch: ReadinessWatch) -> None:
        was = watch.health.condition
        while True:
            await anyio.sleep(INTERVAL)
            await self._look(watch, LONGEST, was_ready=True)
            if watch.health.condition is not was:
                was = watch.health.condition
                self._tell(watch, was, watch.health.error or f"port {watch.run.port} answers again")

    async def _look(self, watch: ReadinessWatch, seconds: float, *, was_ready: bool) -> None:
        assert watch.run.port is not None
        found = await probe(watch.agent.readiness, watch.run.port, seconds)
        before = watch.health
        if found.cut_short and before.error is not None:  # the look before had time to see what is wrong
            found = replace(found, error=before.error)
        watch.health = seen(before, found, self._now(), was_ready=was_ready)
        self._notifier.ring(run_topic(watch.run.id))

    async def _first_ready(self, watch: ReadinessWatch, how: str) -> None:
        """Store that the service is ready; a store that rejects it loses only the time of it."""
        at = self._now()
        if watch.run.ready_at is None:
            self._tell(watch, Condition.READY, how)
            try:
                await self._store.change(watch.run.id, lambda run: lifecycle.ready(run, at))
            except PraisonrunError as rejected:
                log.warning("service %s is ready but the store rejected it: %s", watch.run.id, rejected)
        self._notifier.ring(run_topic(watch.run.id))

    def _tell(self, watch: ReadinessWatch, condition: Condition, how: str) -> None:
        """Have the service's shim write a line into its journal: it reads the FIFO that the agent has."""
        if not watch.agent.files:
            return
        line = {"type": "log", "source": "readiness", "condition": condition, "text": f"{condition}: {how}\n"}
        path = self._files.folder(watch.run.id) / "events"
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError), os.fdopen(os.open(path, flags), "wb", buffering=0) as fifo:
            if stat.S_ISFIFO(os.fstat(fifo.fileno()).st_mode):
                fifo.write(json.dumps(line).encode() + b"\n")
