"""What runs hold in memory from their submit until they are finished: envs, a service's port, a slot.

Each reservation is made in one place, has one owner at a time (the block that makes it, the queue, a live
run), and is given back in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..core.agent import Agent
from ..core.errors import Unavailable
from ..core.model import Mode, Run
from ..services.ports import Ports
from .slots import RunSlots


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

    @property
    def starts(self) -> bool:
        """Whether the run can start at once: it has its slot, or is a service, which needs none."""
        return self.slot or self.service


class Reservations:
    """All reservations of one engine."""

    def __init__(self, slots: RunSlots, ports: Ports) -> None:
        self._slots, self._ports = slots, ports
        self._queued: dict[str, Reservation] = {}
        """Of the queued runs that hold something."""
        self.open = False
        """Whether runs can start; not while the server stops."""

    @contextmanager
    def reserving(
        self, run: Run, agent: Agent, envs: Mapping[str, str], port: int | None = None
    ) -> Iterator[Reservation]:
        """Reserve what a run needs that is about to be stored: a service's port, or a slot if one is free.

        Whoever leaves the block before the run owns the reservation gives all of it back. A run takes no
        slot while others wait. `port` is the one that a service had before. Raises Unavailable while the
        server stops, PortTaken, and QueueFull for one service too many.
        """
        reservation = Reservation(run.id, agent.name, envs, service=run.mode is Mode.SERVICE)
        if reservation.service:
            self.check_open()
            reservation.port = self._ports.reserve(run.id, agent, port)
        elif self.open and not run.held and not self._slots.waiting:
            reservation.slot = self._slots.try_take(agent.name, agent.concurrency)
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
        """Let a queued run own its reservation, without a slot."""
        reservation.owned = True
        self._give_back_slot(reservation)
        if reservation.envs or reservation.port is not None:  # most queued runs hold nothing
            self._queued[reservation.run_id] = reservation

    def claim(self, run: Run) -> Reservation:
        """Return the reservation of a run that the store just claimed, with its slot."""
        reservation = self._queued.pop(run.id, None)
        if reservation is None:
            reservation = Reservation(run.id, run.agent, port=run.port, service=run.mode is Mode.SERVICE)
        if not reservation.starts:
            self._slots.take(run.agent)
            reservation.slot = True
        reservation.owned = True
        return reservation

    def drop(self, run_id: str) -> None:
        """Give back what a queued run held that is finished now."""
        if (reservation := self._queued.pop(run_id, None)) is not None:
            self.give_back(reservation)
        self._ports.release(run_id)  # a service that an earlier server left queued holds its port alone

    def give_back(self, reservation: Reservation) -> None:
        """Give back all of it: the run is finished, or was never stored."""
        self._give_back_slot(reservation)
        if reservation.port is not None:
            self._ports.release(reservation.run_id)

    def _give_back_slot(self, reservation: Reservation) -> None:
        if reservation.slot:
            reservation.slot = False
            self._slots.release(reservation.agent)
