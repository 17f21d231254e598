"""A webhook owed, and the attempts at it. Data only; decisions are in `webhooks.schedule`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Reach(StrEnum):
    """How far away a caller or a receiver is, the nearest first; see `webhooks.policy`."""

    LOOPBACK = "loopback"
    """On this machine."""
    PRIVATE = "private"
    """On a network of its own: a home, an office, a VPN."""
    PUBLIC = "public"


class DeliveryState(StrEnum):
    """Whether a webhook is still owed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up; it can be replayed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook owed."""

    id: str
    """The `webhook-id`: the same on every attempt."""
    run_id: str
    url: str
    type: str
    """run.succeeded, run.failed or run.cancelled."""
    created_at: int
    due_at: int
    """Not attempted before this time."""
    reach: Reach = Reach.PUBLIC
    """How far away the caller was who named the url."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """Attempts since it was owed, or last replayed."""
    delivered_at: int | None = None

    @property
    def receiver(self) -> str:
        """What shares the slots of one receiver: `host:port` as the url has it, in lower case."""
        return _AUTHORITY.sub(r"\1", self.url).lower()


_AUTHORITY = re.compile(r"^(?:[^:/?#]*://)?([^/?#]*).*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one attempt at a delivery came to."""

    at: int
    duration: float
    status: int | None = None
    """The receiver's HTTP status; None when there was none."""
    error: str | None = None
    """Why it failed, in words; None for a success."""
    text: str | None = None
    """How the answer's body begins, for callers of this machine only."""
    retry_after: float | None = None
    """Seconds that the receiver wants to be left alone."""
