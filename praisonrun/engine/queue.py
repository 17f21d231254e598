"""The queue: how much waits and runs, and whose runs may not start because somebody paused them.

A pause holds up claims alone. Submits are taken, what runs goes on, and services, which take no slot, start.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from ..core.errors import WrongMode, WrongState
from ..core.model import Mode, Status
from ..store import ALL
from .context import Context
from .reservations import RunSlots


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many runs of one agent, or of all, wait and run."""

    agent: str
    queued: int
    running: int
    concurrency: int | None
    """How many may run at once; None for no limit of its own."""
    paused_since: int | None
    """Microseconds since the epoch; None if its runs may start."""


class Queue:
    """Pauses and resumes agents."""

    def __init__(self, context: Context, slots: RunSlots) -> None:
        self._context, self._slots = context, slots
        self._turn = anyio.Lock()

    def paused_since(self, agent: str) -> int | None:
        """Return since when an agent's queued runs may not start; None if they may."""
        return self._slots.paused_since(agent)

    async def look(self) -> tuple[Waiting, list[Waiting]]:
        """Return what waits and runs in all (as ALL), and by agent: the file's, and others that have any."""
        counts = await self._context.store.totals_by_agent(Mode.RUN)
        limits = {
            each.name: each.concurrency for each in self._context.catalog.all() if each.mode is Mode.RUN
        }
        busy = [name for name, of in counts.items() if of.keys() & {Status.QUEUED, Status.RUNNING}]
        names = dict.fromkeys([*limits, *sorted([*busy, *(self._slots.paused.keys() - {ALL})])])
        found = [
            Waiting(
                name,
                counts.get(name, {}).get(Status.QUEUED, 0),
                counts.get(name, {}).get(Status.RUNNING, 0),
                limits[name] if name in limits else await self._context.store.concurrency(name),
                self.paused_since(name),
            )
            for name in names
        ]
        queued, running = sum(each.queued for each in found), sum(each.running for each in found)
        limit, since = self._context.limits.concurrency, self._slots.paused.get(ALL)
        return Waiting(ALL, queued, running, limit, since), found

    async def pause(self, agent: str | None) -> None:
        """Let no run of an agent, or none at all, start from now on; what runs goes on.

        Once this returns, none will. Raises Invalid for an unknown agent, WrongMode for a service.
        """
        async with self._turn:
            name = ALL if agent is None else await self._known(agent)
            if name in self._slots.paused:
                return
            with anyio.CancelScope(shield=True):
                at = self._context.now()
                self._slots.paused[name] = at  # before it is stored: claims that come later see it
                try:
                    await self._context.store.pause(name, at)
                except BaseException:
                    del self._slots.paused[name]
                    self._slots.wake()
                    raise

    async def resume(self, agent: str | None) -> None:
        """Let the runs of an agent start again; without one, all runs, whatever was paused.

        Raises Invalid for an unknown agent, WrongState for one that waits because all agents are paused.
        """
        async with self._turn:
            paused = self._slots.paused
            if agent is not None and agent not in paused:
                await self._known(agent)
                if ALL in paused:
                    why = "all agents are paused; resume them all, without naming one"
                    raise WrongState(why, field="agent")
                return
            with anyio.CancelScope(shield=True):
                await self._context.store.resume(agent or ALL)
                left = {name: since for name, since in paused.items() if agent not in (None, name)}
                self._slots.paused = left
                self._slots.wake()

    async def _known(self, agent: str) -> str:
        """Return the name of an agent that is in the main file or has runs."""
        in_file = next((each for each in self._context.catalog.all() if each.name == agent), None)
        if in_file is None and agent not in await self._context.store.totals_by_agent(Mode.RUN):
            self._context.catalog.get(agent)  # raises, and says what there is
        if in_file is not None and in_file.mode is Mode.SERVICE:
            raise WrongMode(f"agent {agent!r} is a service, which waits in no queue: stop it", field="agent")
        return agent
