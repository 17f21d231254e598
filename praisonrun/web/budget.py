"""One budget of memory for all clients: how much is left, and who waits for it. `budgeted` spends it.

Whatever is over FREE bytes needs place. What is smaller never waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from ..config.limits import give_memory_back

SIZE = 64 * 1024 * 1024
"""Bytes of one server."""
FREE = 64 * 1024
"""Bytes of one request, and of its answer, that are not counted."""
PATIENCE = 5.0
"""Seconds that a request waits for place."""
MUCH = 16 * 1024 * 1024
"""Bytes that, once held, are worth giving back to the system."""


class Budget:
    """Counts bytes. Who waits is served in turn. Not thread-safe."""

    def __init__(
        self, size: int = SIZE, patience: float = PATIENCE, rest: Callable[[], None] = give_memory_back
    ) -> None:
        """`rest` is called once nothing is held any more, where that was much."""
        self._size, self._patience, self._rest = size, patience, rest
        self.left = self._least = size
        self._queue: deque[tuple[int, asyncio.Future[bool]]] = deque()
        self._held: Counter[int] = Counter()
        self.turn = asyncio.Semaphore(2)
        """Streams that catch up take turns, so that a crowd of them delays nobody else."""

    def cost(self, size: int) -> int:
        """Return the place that so many bytes of one request take: all there is, where they are more."""
        return min(max(size - FREE, 0), self._size)

    def take(self, cost: int) -> bool:
        """Take place without waiting; say whether there was enough."""
        if cost > self.left:
            return False
        self.left -= cost
        self._least = min(self._least, self.left)
        return True

    async def wait(self, cost: int) -> bool:
        """Take place once there is enough. Returns False if that takes too long."""
        if not self._queue and self.take(cost):
            return True
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._queue.append((cost, place))
        timer = loop.call_later(self._patience, _give_up, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.give(cost)
            raise
        finally:
            timer.cancel()
            self._serve()

    def give(self, cost: int) -> None:
        """Give place back."""
        self.left += cost
        self._serve()
        if self.left == self._size and self._size - self._least >= MUCH:
            self._least = self._size
            asyncio.get_running_loop().call_soon(self._rest)  # what was held is freed first

    def _serve(self) -> None:
        while self._queue:
            cost, place = self._queue[0]
            if not place.done():
                if not self.take(cost):
                    return
                place.set_result(True)
            self._queue.popleft()

    def hold(self, chunk: bytes) -> bool:
        """Take place for a chunk, once for all who hold it; say whether there was enough."""
        if id(chunk) not in self._held and not self.take(self.cost(len(chunk))):
            return False
        self._held[id(chunk)] += 1
        return True

    def drop(self, chunk: bytes) -> None:
        """Give back what `hold` took, with the last holder."""
        self._held[id(chunk)] -= 1
        if not self._held[id(chunk)]:
            del self._held[id(chunk)]
            self.give(self.cost(len(chunk)))


def _give_up(place: asyncio.Future[bool]) -> None:
    if not place.done():
        place.set_result(False)
