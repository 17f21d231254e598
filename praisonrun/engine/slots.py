"""How many runs may be live at once, and whether others wait for a slot."""

from __future__ import annotations

from collections import Counter

from ..core.notifier import QUEUE, Notifier


class RunSlots:
    """The slots of all live runs. Services take none: they would keep them for ever."""

    def __init__(self, total: int, notifier: Notifier) -> None:
        self.total = total
        self._notifier = notifier
        self._taken: Counter[str] = Counter()
        self.waiting = True
        """Whether a queued run may be claimable: False only after a claim that found them all."""
        self.left_behind = False
        """Whether that claim left runs that wait for their time or for a slot of their agent."""

    def free(self) -> int:
        """Return how many more runs may be live."""
        return self.total - self._taken.total()

    def fits(self, agent: str, limit: int | None, more: int = 0) -> bool:
        """Say whether one more run of an agent may be live, with `more` others about to be."""
        return self.free() > 0 and (limit is None or self._taken[agent] + more < limit)

    def take(self, agent: str) -> None:
        """Count a run of an agent as live."""
        self._taken[agent] += 1

    def try_take(self, agent: str, limit: int | None) -> bool:
        """Count one more run of an agent as live if there is room; say whether there was."""
        room = self.fits(agent, limit)
        if room:
            self.take(agent)
        return room

    def release(self, agent: str) -> None:
        """Give a slot back."""
        self._taken[agent] -= 1
        if not self._taken[agent]:
            del self._taken[agent]
        if self.left_behind or self.waiting:
            self.wake()

    def wake(self) -> None:
        """Have the scheduler look at the queue: a run joined it, or could leave it now."""
        self.waiting = True
        self._notifier.ring(QUEUE)
