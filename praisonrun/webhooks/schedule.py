"""The state of a delivery after an attempt. Pure: the time and the random number are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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


def decide(
    delivery: Delivery, reply: Reply, now: int, chance: float, schedule: Sequence[float] = SCHEDULE
) -> Delivery:
    """Return the delivery after an attempt: delivered, due again, or dead.

    `chance` is a random number from 0 to 1.
    """
    tried = replace(delivery, attempts=delivery.attempts + 1)
    if succeeded(reply):
        return replace(tried, state=DeliveryState.DELIVERED, delivered_at=now)
    pause = None if reply.status == GONE else _pause(tried.attempts, chance, schedule)
    if pause is None:
        return replace(tried, state=DeliveryState.DEAD)
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


def _pause(failures: int, chance: float, schedule: Sequence[float]) -> float | None:
    if failures > len(schedule):
        return None
    return schedule[failures - 1] * (1 + JITTER * (2 * chance - 1))
