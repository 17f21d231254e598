"""Sees every webhook owed to its end: delivered, or given up after the schedule.

The outbox is the truth. An attempt is recorded once it is over, so a crash in between repeats it, under
the same id. Nothing is remembered here that the next server would miss.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup

from ..core.errors import NotFound, PraisonrunError
from ..core.model import Delivery, DeliveryState, Reach, Reply
from ..core.notifier import DELIVERIES, Notifier
from ..store import DeliveryLog, Outbox
from . import policy, schedule
from .fairness import EACH, Slots
from .sender import Sender

log = logging.getLogger("praisonrun")
NAP = 30.0
"""Seconds between two looks at the clock while something is due later: it jumps when a laptop wakes."""
STORE_RETRY = 1.0
"""Seconds between two tries at a store that refused."""

Compose: TypeAlias = Callable[[Delivery], Awaitable[bytes]]
"""Makes the body of a delivery, in the words of a dialect. Raises NotFound for a run that is gone."""


class Webhooks:
    """The webhooks owed: sending them, looking at them, sending them again."""

    def __init__(
        self,
        outbox: Outbox,
        bells: Notifier,
        sender: Sender,
        now: Callable[[], int],
        *,
        chance: Callable[[], float] = random.random,
        plan: Sequence[float] = schedule.SCHEDULE,
    ) -> None:
        self._outbox, self._bells, self._sender, self._now = outbox, bells, sender, now
        self._chance, self._plan = chance, plan
        self._slots = Slots()

    def check(self, url: str, reach: Reach) -> None:
        """Refuse a url that a caller so far away can never use. Raises Invalid (`webhook_url`)."""
        policy.check(url, reach, self._sender.own)

    async def of_run(self, run_id: str) -> list[DeliveryLog]:
        """Return what a run owes or owed, oldest first, with all attempts."""
        return await self._outbox.of_run(run_id)

    async def find(
        self, state: DeliveryState | None, page: int, page_size: int
    ) -> tuple[list[DeliveryLog], int]:
        """Return a page of all deliveries, newest first, and how many there are in all."""
        return await self._outbox.find(state, page, page_size)

    async def replay(self, run_id: str, delivery_id: str) -> None:
        """Send one delivery of a run again, whatever became of it. Raises NotFound."""
        at = self._now()
        await self._outbox.replay(run_id, delivery_id, lambda found: schedule.replay(found, at))
        self._bells.ring(DELIVERIES)

    async def replay_dead(self) -> int:
        """Send every dead letter again; return how many there are."""
        count = await self._outbox.replay_dead(self._now())
        self._bells.ring(DELIVERIES)
        return count

    async def serve(self, compose: Compose) -> None:
        """Send what is due, until cancelled; an attempt that is in flight then will be repeated."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    bell = self._bells.bell(DELIVERIES)
                    pause = await self._turn(tasks, compose)
                    with anyio.move_on_after(pause):
                        await bell.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await self._sender.aclose()

    async def _turn(self, tasks: TaskGroup, compose: Compose) -> float | None:
        """Start what may start. Returns the seconds until more can be due, None when a bell will tell."""
        if self._slots.full():
            return None
        at = self._now()
        # What is in flight now may be recorded and leave its slot while an older state of it is read.
        in_flight = frozenset(self._slots.busy)
        try:
            due = await self._outbox.due(at, 2 * EACH)
            for delivery in self._slots.pick(found for found in due if found.id not in in_flight):
                tasks.start_soon(self._see, delivery, compose)
            later = await self._outbox.next_due(at)
        except PraisonrunError as refused:
            log.warning("the store did not tell which webhooks are due: %s", refused)
            return STORE_RETRY
        return None if later is None else min((later - at) / 1e6, NAP)

    async def _see(self, delivery: Delivery, compose: Compose) -> None:
        """Make one attempt and record it."""
        failed = False
        try:
            with suppress(NotFound):  # the run was deleted meanwhile, and what it owed with it
                reply = await self._attempt(delivery, compose)
                failed = not schedule.succeeded(reply)
                _tell(await self._insist(delivery, reply), reply)
        finally:
            self._slots.leave(delivery, failed=failed)
            self._bells.ring(DELIVERIES)

    async def _attempt(self, delivery: Delivery, compose: Compose) -> Reply:
        try:
            return await self._sender.send(delivery, await compose(delivery))
        except NotFound:
            raise
        except Exception:
            log.exception("webhook %s of run %s: the attempt failed", delivery.id, delivery.run_id)
            return Reply(self._now(), 0.0, error="internal error, see the server's log")

    async def _insist(self, delivery: Delivery, reply: Reply) -> Delivery:
        """Record an attempt until the store takes it: else it would be made again and again."""
        chance = self._chance()

        def decide(found: Delivery) -> Delivery:
            return schedule.decide(found, reply, self._now(), chance, self._plan)

        while True:
            try:
                return await self._outbox.record(delivery.id, reply, decide)
            except NotFound:
                raise
            except Exception as refused:
                log.warning("webhook %s was attempted but the store refused it: %s", delivery.id, refused)
                await anyio.sleep(STORE_RETRY)


def _tell(delivery: Delivery, reply: Reply) -> None:
    if delivery.state is DeliveryState.DEAD:
        where, tries = origin(delivery.url), delivery.attempts
        told = "webhook %s of run %s to %s is given up after %d attempts: %s"
        log.warning(told, delivery.id, delivery.run_id, where, tries, reply.error)


def origin(url: str) -> str:
    """Return what a log may say of a url: a path or a query can be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
