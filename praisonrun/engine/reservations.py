"""What runs hold in memory from their submit until they are finished: envs, a service's port, a slot.

Each reservation is made in one place, has one owner at a time (the block that makes it, the queue, a live
run), and is given back in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..core.agent import Agent
from ..core.errors import Unavailable
from ..core.model import Mode, Run
from ..core.notifier import QUEUE, Notifier
from ..services.ports import Ports
from ..store import ALL


@dataclass(slots=True, eq=False)
class Reservation:
    """What one run holds that no row can hold."""

    run_id: str
    agent: str
    envs: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int | None = None
    service: bool = False
    slot: bool = False
    owned: bool = False
    """Whether a queued or live run owns it, not the block that made it."""


class RunSlots:
    """How many may be live, and whether others wait. Services take no slot: they would never give it back."""

    def __init__(self, total: int, notifier: Notifier) -> None:
        self._total, self._notifier = total, notifier
        self._taken: Counter[str] = Counter()
        self.waiting = True
        """Whether a queued run may be claimable: False only after a claim that found them all."""
        self.left_behind = False
        """Whether that claim left runs that wait for their time, a slot of their agent, or a resume."""
        self.paused: dict[str, int] = {}
        """Agents whose runs may not start, and since when (microseconds); ALL stands for every agent."""

    def free(self) -> int:
        """Return how many more runs may be live."""
        return self._total - self._taken.total()

    def fits(self, agent: str, limit: int | None, more: int = 0) -> bool:
        """Say whether one more run of an agent may be live, with `more` others about to be."""
        return not self.obstacle(agent, limit, more)

    def obstacle(self, agent: str, limit: int | None, more: int = 0) -> str:
        """Return what keeps that from being, in words for people; "" for nothing."""
        if paused := self.pause(agent):
            return paused
        if limit is not None and self._taken[agent] + more >= limit:
            return f"agent {agent!r} has as many runs live as its concurrency allows: {limit}"
        return "" if self.free() > 0 else f"all slots are taken (--concurrency): {self._total}"

    def pause(self, agent: str) -> str:
        """Return whose pause keeps an agent's runs from being started, in words for people; "" for none."""
        if ALL in self.paused:
            return "all agents are paused, until: praisonrun resume"
        return f"agent {agent!r} is paused, until: praisonrun resume {agent}" if agent in self.paused else ""

    def live(self, agent: str) -> int:
        """Return how many runs of an agent are live."""
        return self._taken[agent]

    def paused_since(self, agent: str) -> int | None:
        """Return since when an agent's runs may not start; None if they may."""
        return self.paused.get(agent, self.paused.get(ALL))

    def take(self, by: Reservation) -> None:
        """Count a run as live."""
        self._taken[by.agent] += 1
        by.slot = True

    def release(self, by: Reservation) -> None:
        """Take back the slot of a run, if it has one."""
        if not by.slot:
            return
        by.slot = False
        self._taken[by.agent] -= 1
        if not self._taken[by.agent]:
            del self._taken[by.agent]
        if self.left_behind or self.waiting:
            self.wake()

    def wake(self) -> None:
        """Have the scheduler look at the queue: a run joined it, or could leave it now."""
        self.waiting = True
        self._notifier.ring(QUEUE)


class Reservations:
    """All reservations of one engine."""

    def __init__(self, slots: RunSlots, ports: Ports) -> None:
        self.slots, self._ports = slots, ports
        self._queued: dict[str, Reservation] = {}
        """Of the queued runs that hold something."""
        self.open = False
        """Whether runs can start; not while the server stops."""

    @contextmanager
    def reserving(self, run: Run, agent: Agent, envs: Mapping[str, str]) -> Iterator[Reservation]:
        """Reserve what a run needs that is about to be stored: a service's port, or a slot if one is free.

        What the run does not own at the end of the block is given back. A run takes no slot while others
        wait. Raises Unavailable while the server stops, PortTaken, and QueueFull for one service too many.
        """
        reservation = Reservation(run.id, run.agent, envs, service=run.mode is Mode.SERVICE)
        may_start = self.open and not run.held and not self.slots.waiting
        if reservation.service:
            self.check_open()
            reservation.port = self._ports.reserve(run.id, agent, run.port)
        elif may_start and self.slots.fits(run.agent, agent.concurrency):
            self.slots.take(reservation)
        try:
            yield reservation
        finally:
            if not reservation.owned:
                self.give_back(reservation)

    def check_open(self) -> None:
        """Raise Unavailable while nothing can be started."""
        if not self.open:
            raise Unavailable("the server is stopping", retry_after=5)

    def queue(self, reservation: Reservation) -> None:
        """Let a queued run own its reservation, without a slot, and the scheduler look at it."""
        reservation.owned = True
        self.slots.release(reservation)
        if reservation.envs or reservation.port is not None:  # most queued runs hold nothing
            self._queued[reservation.run_id] = reservation
        self.slots.wake()

    def claim(self, run: Run) -> Reservation:
        """Return the reservation of a run that the store just claimed, with its slot."""
        fresh = Reservation(run.id, run.agent, port=run.port, service=run.mode is Mode.SERVICE)
        reservation = self._queued.pop(run.id, fresh)
        if not reservation.service:
            self.slots.take(reservation)
        reservation.owned = True
        return reservation

    def drop(self, run_id: str) -> None:
        """Give back what a queued run held that is finished now."""
        self._queued.pop(run_id, None)  # it has no slot
        self._ports.release(run_id)

    def give_back(self, reservation: Reservation) -> None:
        """Give back all of it: the run is finished, or was never stored."""
        self.slots.release(reservation)
        if reservation.port is not None:
            self._ports.release(reservation.run_id)
