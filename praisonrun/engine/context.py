"""What the parts of one engine share: their collaborators, its limits, and the runs that are live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio

from ..agents import Catalog
from ..core.agent import Agent
from ..core.model import Condition, Mode, Phase, Run, ServiceHealth, Snapshot, Status
from ..core.notifier import Notifier
from ..files.run_files import RunFiles
from ..journal.progress import Progress
from ..journal.summary import Summary
from ..process.attempt import Attempt
from ..process.ends import Mark
from ..services.readiness import ReadinessWatch
from ..store import Store
from .asking import Asking
from .directories import Directories
from .reservations import Reservation
from .viewers import Viewers


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine does not go beyond."""

    concurrency: int
    queue: int
    min_free: int
    """Bytes."""
    directories: Directories
    """What a submit may name as its agent's."""
    inline_agents: bool = False
    """Whether a submit may bring its own agents file."""


@dataclass(frozen=True, slots=True)
class Context:
    """The collaborators that every part of the engine shares."""

    store: Store
    catalog: Catalog
    files: RunFiles
    notifier: Notifier
    viewers: Viewers
    limits: Limits
    user: Mapping[str, Any]
    """The user's file mode mask and soft limits, which agents inherit; see `process.surroundings`."""
    boot: str
    """The boot id of this machine's run."""
    now: Callable[[], int]
    """The time in microseconds since the epoch."""

    def mark(self, run: Run) -> Mark:
        """Return what the processes of a run's present attempt are known by."""
        return Mark(self.store.id, run.id, run.attempt, run.claim)


@dataclass(slots=True, eq=False)
class Live:
    """A claimed run, from its claim until the end of its attempt is stored."""

    run: Run
    """The row as of now, with prompt and input."""
    reservation: Reservation
    agent: Agent
    """The version that the run was submitted with; a stand-in while `progress` is None."""
    asks: Asking | None = None
    """Its questions; None before the first one."""
    progress: Progress | None = None
    """What the journal says so far; None until the agent's version is known."""
    attempt: Attempt | None = None
    readiness: ReadinessWatch | None = None
    """Of a service whose process runs."""
    phase: Phase = Phase.STARTING
    pid: int | None = None
    recovered: bool = False
    """Whether an earlier server started it: until its process is found, its phase says nothing."""
    checkout: str | None = None
    """Where its worktree is or will be, for one that has its own."""
    directory: str | None = None
    """Where the agent works, in a worktree that is made; None leaves that to run and entry."""
    note: str = ""
    """What the log says of the worktree."""
    preparing: anyio.CancelScope | None = None
    """While the worktree is made; a cancel of the run ends that."""
    settling: bool = False
    """Whether the end of its attempt is being stored, or is stored already."""
    told: Phase = Phase.STARTING
    """The phase that the row's rev tells of: whoever asks what changed hears of it."""

    @property
    def given_up(self) -> bool:
        """Whether a cancel was asked for."""
        return self.run.cancel_requested_at is not None

    def asked(self, row: Run) -> None:
        """Take over what a cancel changed in the row."""
        self.run = row._replace(prompt=self.run.prompt, input=self.run.input)

    async def summary(self) -> Summary:
        """Return what the journal says so far, as far as it was parsed."""
        return await self.progress.look() if self.progress else Summary()

    async def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        summary = await self.summary()
        scratch = self.agent.files and self.pid is not None
        health = None
        if self.run.mode is Mode.SERVICE:
            health = self.readiness.health if self.readiness else ServiceHealth()
            health = replace(health, condition=Condition.STOPPING) if self.given_up else health
        told = summary.progress, summary.usage
        return Snapshot(self.run, self.phase, self.pid, *told, scratch, health, self.checkout)


def stored(run: Run) -> Snapshot:
    """Return a run that is not live: a running one was claimed, and its process is about to be started."""
    summary = run.summary or {}
    phase = Phase.STARTING if run.status is Status.RUNNING else None
    scratch = run.scratch_until is not None
    return Snapshot(run, phase, run.pid, summary.get("progress", {}), summary.get("usage", {}), scratch)
