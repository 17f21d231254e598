"""Delivers every webhook that is owed, or gives it up after the schedule.

The outbox in the store is the only truth. An attempt is recorded when it is over, so a crash in between
repeats it under the same id. Nothing is remembered here that the next server needs.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup

from ..core.clock import SetBack
from ..core.delivery import Delivery, DeliveryState, Reach, Reply
from ..core.errors import NotFound, PraisonrunError
from ..core.notifier import DELIVERIES, Notifier
from ..store import Outbox
from . import policy, schedule
from .sender import Sender

log = logging.getLogger("praisonrun")
NAP = 30.0
"""Seconds between two looks at the clock while something is due later: it jumps when a laptop wakes."""
STORE_RETRY = 1.0
"""Seconds before a failed write to the store is tried again."""

Compose: TypeAlias = Callable[[Delivery], Awaitable[bytes]]
"""Writes the body of a delivery in a dialect. Raises NotFound if the run is gone."""


class Webhooks:
    """The webhooks owed, which its `outbox` holds: sends them, and sends them again."""

    def __init__(
        self,
        outbox: Outbox,
        notifier: Notifier,
        sender: Sender,
        now: Callable[[], int],
        *,
        chance: Callable[[], float] = random.random,
        plan: Sequence[float] = schedule.SCHEDULE,
    ) -> None:
        self.outbox, self._notifier, self._sender, self._now = outbox, notifier, sender, now
        self._chance, self._plan = chance, plan
        self._queue = schedule.DeliveryQueue()
        self._clock, self._set_back = SetBack(now), False

    def check(self, url: str, reach: Reach) -> None:
        """Raise Invalid (`webhook_url`) for a URL that a caller with this reach can never use."""
        policy.check(url, reach, self._sender.own)

    async def replay(self, run_id: str, delivery_id: str) -> None:
        """Make one delivery of a run due again, in any state. Raises NotFound."""
        at = self._now()
        await self.outbox.replay(run_id, delivery_id, lambda found: schedule.replay(found, at))
        self._notifier.ring(DELIVERIES)

    async def replay_dead(self) -> int:
        """Make every delivery that was given up due again; return how many there are."""
        count = await self.outbox.replay_dead(self._now())
        self._notifier.ring(DELIVERIES)
        return count

    async def serve(self, compose: Compose) -> None:
        """Send what is due until cancelled. Attempts in flight at that moment will be repeated."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    bell = self._notifier.bell(DELIVERIES)
                    pause = await self._turn(tasks, compose)
                    with anyio.move_on_after(pause):
                        await bell.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await self._sender.aclose()

    async def _turn(self, tasks: TaskGroup, compose: Compose) -> float | None:
        """Start what may start; return the seconds until more can be due, or None if a bell will ring."""
        if self._queue.full():
            return None
        at = self._now()
        # An attempt that is in flight now may be recorded and leave while an older state of it is read.
        in_flight = frozenset(self._queue.busy)
        self._set_back |= self._clock.look()
        try:
            if self._set_back:
                await self.outbox.hasten(at)
                self._set_back = False
            due = await self.outbox.due(at, 2 * schedule.EACH)
            for delivery in self._queue.pick(found for found in due if found.id not in in_flight):
                tasks.start_soon(self._deliver, delivery, compose)
            later = await self.outbox.next_due(at)
        except PraisonrunError as refused:
            log.warning("the store cannot say which webhooks are due: %s", refused)
            return STORE_RETRY
        return None if later is None else min((later - at) / 1e6, NAP)

    async def _deliver(self, delivery: Delivery, compose: Compose) -> None:
        """Make one attempt and record it."""
        failed = False
        try:
            with suppress(NotFound):  # the run was deleted meanwhile, and its deliveries with it
                reply = await self._attempt(delivery, compose)
                failed = not schedule.succeeded(reply)
                await self._record(delivery, reply)
        finally:
            self._queue.leave(delivery, failed=failed)
            self._notifier.ring(DELIVERIES)

    async def _attempt(self, delivery: Delivery, compose: Compose) -> Reply:
        try:
            return await self._sender.send(delivery, await compose(delivery))
        except NotFound:
            raise
        except Exception:
            log.exception("webhook %s of run %s: the attempt failed", delivery.id, delivery.run_id)
            return Reply(self._now(), 0.0, error="internal error, see the server's log")

    async def _record(self, delivery: Delivery, reply: Reply) -> None:
        """Record an attempt, and retry until the store takes it: else it would be made again and again."""
        at, chance, plan = self._now(), self._chance(), self._plan
        decide = partial(schedule.decide, reply=reply, now=at, chance=chance, schedule=plan)
        while True:
            try:
                after = await self.outbox.record(delivery.id, reply, decide)
                break
            except NotFound:
                raise
            except Exception as refused:
                text = "webhook %s was attempted, but the store did not record it: %s"
                log.warning(text, delivery.id, refused)
                await anyio.sleep(STORE_RETRY)
        if after.state is DeliveryState.DEAD:
            text = "webhook %s of run %s to %s is given up after %d attempts: %s"
            log.warning(text, after.id, after.run_id, origin(after.url), after.attempts, reply.error)
        else:
            came = reply.status if reply.error is None else reply.error
            log.debug("webhook %s of run %s to %s: %s", after.id, after.run_id, origin(after.url), came)


def origin(url: str) -> str:
    """Return the part of a URL that a log may show: a path or a query can be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
