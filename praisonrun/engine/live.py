"""One live run: everything that belongs to it, in one object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.agent import Agent
from ..core.model import Condition, Mode, Phase, Run, ServiceHealth, Snapshot
from ..journal.formats import Summary
from ..journal.progress import Progress
from ..process.attempt import Attempt
from ..services.readiness import ReadinessWatch
from .reservations import Reservation


@dataclass(slots=True, eq=False)
class Live:
    """A claimed run, from its claim until the end of its attempt is stored."""

    run: Run
    """The row as of now, with prompt and input."""
    reservation: Reservation
    agent: Agent
    """The version that the run was submitted with; a stand-in while `progress` is None."""
    progress: Progress | None = None
    """What the journal says so far; None until the agent's version is known."""
    attempt: Attempt | None = None
    readiness: ReadinessWatch | None = None
    """Of a service whose process runs."""
    phase: Phase = Phase.STARTING
    pid: int | None = None

    @property
    def given_up(self) -> bool:
        """Whether a cancel was asked for."""
        return self.run.cancel_requested_at is not None

    def asked(self, row: Run) -> None:
        """Take over what a cancel changed in the row."""
        self.run = row._replace(prompt=self.run.prompt, input=self.run.input)

    async def summary(self) -> Summary:
        """Return what the journal says so far."""
        return await self.progress.look() if self.progress else Summary()

    async def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        summary = await self.summary()
        scratch = self.agent.files and self.pid is not None
        health = self._health() if self.run.mode is Mode.SERVICE else None
        return Snapshot(self.run, self.phase, self.pid, summary.progress, summary.usage, scratch, health)

    def _health(self) -> ServiceHealth:
        health = self.readiness.health if self.readiness else ServiceHealth()
        return replace(health, condition=Condition.STOPPING) if self.given_up else health
