"""Why queued runs wait, in words for people. It is asked when one is shown; nothing of it is kept."""

from __future__ import annotations

from dataclasses import replace

from ..core.clock import OncePerTick, iso
from ..core.model import Run, Snapshot, Status
from .context import Context, stored
from .reservations import RunSlots

SHORT = 200
"""Characters of an error that are repeated."""


class Waits:
    """Shows runs that are not live."""

    def __init__(self, context: Context, slots: RunSlots) -> None:
        self._context, self._slots = context, slots
        self._tick = OncePerTick()

    async def shown(self, run: Run) -> Snapshot:
        """Return a run that is not live as it is now."""
        found = stored(run)
        return replace(found, waits=await self._why(run)) if run.status is Status.QUEUED else found

    async def placed(self, shown: Snapshot) -> Snapshot:
        """Return a run with its place in its agent's queue; none if it is not queued, held, or not due."""
        run, now = shown.run, self._context.now()
        if run.status is not Status.QUEUED or run.held or run.due_at > now:
            return shown
        return replace(shown, position=1 + await self._context.store.overtaking(run, now))

    async def _why(self, run: Run) -> str:
        """Return why a queued run is not claimed, "" if it is about to be."""
        if run.held:
            return "held until it is released"
        if paused := self._slots.pause(run.agent):
            return paused
        if run.due_at > self._context.now():
            why = (run.error or "")[:SHORT]
            if run.uncounted:
                return f"its agent could not be started ({why}); the next try is due at {iso(run.due_at)}"
            return f"attempt {run.attempt} failed ({why}); the next is due at {iso(run.due_at)}"
        if run.conversation and (first := await self._context.store.ahead(run.conversation, run.seq)):
            return f"waits for {first} of the same session"
        return self._slots.obstacle(run.agent, await self._limit(run.agent))

    async def _limit(self, agent: str) -> int | None:
        """Return how many runs of an agent may be live, as a claim would find it."""
        limits = self._tick.once("limits", self._limits)
        if agent in limits or not self._slots.live(agent):
            return limits.get(agent)
        return await self._context.store.concurrency(agent)

    def _limits(self) -> dict[str, int | None]:
        return {agent.name: agent.concurrency for agent in self._context.catalog.all()}
