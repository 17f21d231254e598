"""Bells by topic, without data: take the bell, read the truth, then wait.

A bell taken before a read is rung by anything that happens after it, so nothing can fall in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from weakref import WeakValueDictionary

QUEUE = "queue"
"""A run became due, or a slot came free."""
DELIVERIES = "deliveries"
"""A webhook is owed."""
ASKS = "asks"
"""An agent asks something, or its question was answered."""
CHANGES = "changes"
"""The store was written, a process started, or a run that ended has left."""


def run_topic(run_id: str) -> str:
    """Return the topic of one run: its journal grew or its row changed."""
    return f"run:{run_id}"


class AnyOf:
    """Rings when one of several bells does."""

    def __init__(self, bells: Collection[asyncio.Event]) -> None:
        self._bells = bells

    async def wait(self) -> None:
        """Return once one of them has rung."""
        if len(self._bells) == 1:
            await next(iter(self._bells)).wait()
            return
        waits = [asyncio.ensure_future(bell.wait()) for bell in self._bells]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class Notifier:
    """Hands out bells and rings them. A topic that nobody listens to costs nothing."""

    def __init__(self) -> None:
        self._bells: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def bell(self, topic: str) -> asyncio.Event:
        """Return the bell that the next `ring` of the topic will ring."""
        bell = self._bells.get(topic)
        if bell is None:
            bell = self._bells[topic] = asyncio.Event()
        return bell

    def ring(self, *topics: str) -> None:
        """Wake everyone who took a bell of these topics."""
        for topic in topics:
            bell = self._bells.pop(topic, None)
            if bell is not None:
                bell.set()

    def ring_all(self) -> None:
        """Wake everyone."""
        self.ring(*list(self._bells))
