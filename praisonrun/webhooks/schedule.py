"""When a delivery is attempted: when again after a failure, and which is next, so that no receiver waits for
another. Pure: the time and the random number are arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime

from ..core.delivery import Delivery, DeliveryState, Reply

SCHEDULE: tuple[float, ...] = (5, 30, 120, 600, 1800, 7200, 21600, 86400)
"""Seconds between a failed attempt and the next one. After the last pause there is one more attempt."""
JITTER = 0.2
"""The share by which each pause is made longer or shorter."""
LONGEST = 86400.0
"""Seconds that a receiver may delay the next attempt at most."""
GONE = 410
BUSY = (429, 503)

TOTAL = 8
"""Attempts in flight."""
EACH = 2
"""Attempts in flight to one receiver; a receiver that failed last time gets one."""
FAILING = 4
"""Attempts in flight to receivers that failed last time: some places are always left for the others."""
KNOWN = 4096
"""Receivers that are remembered at most."""


def decide(
    delivery: Delivery, reply: Reply, now: int, chance: float, schedule: Sequence[float] = SCHEDULE
) -> Delivery:
    """Return the delivery after an attempt: delivered, due again, or dead; `chance` is from 0 to 1."""
    tried = replace(delivery, attempts=delivery.attempts + 1)
    if succeeded(reply):
        return replace(tried, state=DeliveryState.DELIVERED, delivered_at=max(now, delivery.created_at))
    if reply.status == GONE or tried.attempts > len(schedule):
        return replace(tried, state=DeliveryState.DEAD)
    pause = schedule[tried.attempts - 1] * (1 + JITTER * (2 * chance - 1))
    asked = min(reply.retry_after or 0.0, LONGEST)
    return replace(tried, state=DeliveryState.PENDING, due_at=now + round(max(pause, asked) * 1e6))


def succeeded(reply: Reply) -> bool:
    """Say whether the receiver accepted: 2xx. A redirect is a failure, because its target was not checked."""
    return reply.error is None and reply.status is not None and 200 <= reply.status < 300


def replay(delivery: Delivery, now: int) -> Delivery:
    """Return the delivery due at once, at the start of the schedule, under the same id."""
    return replace(delivery, state=DeliveryState.PENDING, attempts=0, due_at=now, delivered_at=None)


def retry_after(status: int, header: str | None, now: int) -> float | None:
    """Return the seconds that a busy receiver asks for: a number, or a date and `now` in microseconds."""
    if status not in BUSY or header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST)
    try:
        date = parsedate_to_datetime(text)
        at = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(at.timestamp() - now / 1e6, 0.0), LONGEST)
    except (ValueError, OverflowError):  # a year or a zone of hundreds of digits
        return None


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
        taken = []
        for delivery in waiting:
            if self._fits(receiver := delivery.receiver):
                self.busy[delivery.id] = receiver
                self._failing[receiver] = self._failing.pop(receiver, False)
                taken.append(delivery)
        while len(self._failing) > KNOWN:
            del self._failing[next(iter(self._failing))]
        return taken

    def full(self) -> bool:
        """Say whether no attempt may start now."""
        return len(self.busy) >= TOTAL

    def leave(self, delivery: Delivery, *, failed: bool) -> None:
        """Count an attempt as over, and remember how it ended."""
        self.busy.pop(delivery.id, None)
        self._failing[delivery.receiver] = failed

    def _fits(self, receiver: str) -> bool:
        if self.full():
            return False
        in_flight = Counter(self.busy.values())
        if not self._failing.get(receiver, False):
            return in_flight[receiver] < EACH
        failing = sum(count for other, count in in_flight.items() if self._failing.get(other, False))
        return in_flight[receiver] < 1 and failing < FAILING
