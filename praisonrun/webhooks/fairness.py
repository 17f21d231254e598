"""Which delivery is attempted next, so that no receiver waits for another. Pure bookkeeping, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..core.delivery import Delivery

TOTAL = 8
"""Attempts in flight."""
EACH = 2
"""Attempts in flight to one receiver; a receiver that failed last time gets one."""
FAILING = 4
"""Attempts in flight to receivers that failed last time: some places are always left for the others."""
KNOWN = 4096
"""Receivers that are remembered at most."""


@dataclass(slots=True)
class DeliveryQueue:
    """The attempts in flight, and what the server remembers of receivers while it runs."""

    busy: dict[str, str] = field(default_factory=dict)
    """Deliveries in flight: id to receiver."""
    _failing: dict[str, bool] = field(default_factory=dict)
    """Receivers, least recently attempted first, and whether their last attempt failed."""

    def pick(self, due: Iterable[Delivery]) -> list[Delivery]:
        """Return what may start now, and mark it as in flight. The longest waiting receivers come first."""
        order = {receiver: place for place, receiver in enumerate(self._failing, 1)}
        waiting = [delivery for delivery in due if delivery.id not in self.busy]
        waiting.sort(key=lambda delivery: (order.get(delivery.receiver, 0), delivery.due_at))
        taken = [delivery for delivery in waiting if self._take(delivery)]
        self._forget()
        return taken

    def full(self) -> bool:
        """Say whether no attempt may start now."""
        return len(self.busy) >= TOTAL

    def leave(self, delivery: Delivery, *, failed: bool) -> None:
        """Count an attempt as over, and remember how it ended."""
        self.busy.pop(delivery.id, None)
        self._failing[delivery.receiver] = failed

    def _take(self, delivery: Delivery) -> bool:
        receiver = delivery.receiver
        if not self._fits(receiver):
            return False
        self.busy[delivery.id] = receiver
        self._failing[receiver] = self._failing.pop(receiver, False)
        return True

    def _fits(self, receiver: str) -> bool:
        if self.full():
            return False
        in_flight = Counter(self.busy.values())
        if not self._failing.get(receiver, False):
            return in_flight[receiver] < EACH
        failing = sum(count for other, count in in_flight.items() if self._failing.get(other, False))
        return in_flight[receiver] < 1 and failing < FAILING

    def _forget(self) -> None:
        while len(self._failing) > KNOWN:
            del self._failing[next(iter(self._failing))]
