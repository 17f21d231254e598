"""Install commands: once for each version of an agent, one attempt at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core.agent import Agent
from ..core.errors import PraisonrunError
from ..core.model import Run
from ..core.notifier import Notifier
from ..store import Store

log = logging.getLogger("praisonrun")


class Installs:
    """Which versions are installed, and which attempts are about it now."""

    def __init__(self, store: Store, notifier: Notifier, now: Callable[[], int]) -> None:
        self._store, self._notifier, self._now = store, notifier, now
        self._done: set[str] = set()
        self._busy: dict[str, set[str]] = {}
        """Version to the runs whose attempts install it."""

    async def begin(self, run: Run, agent: Agent, given_up: Callable[[], bool]) -> bool:
        """Say whether this attempt has to install; then `over` is owed. Waits for one that does it now."""
        if not agent.install or run.version in self._done:
            return False
        while True:
            bell = self._notifier.bell(_topic(run.version))
            if given_up() or not self._busy.get(run.version):
                break
            await bell.wait()
        if given_up() or run.version in self._done:
            return False
        self._busy[run.version] = {run.id}
        if (await self._store.version(run.version)).installed_at is not None:
            self.over(run, well=True)
            return False
        return True

    def found(self, run: Run, agent: Agent | None) -> None:
        """Take note of an attempt of an earlier server, which may be at its install command.

        `agent` is None if its version could not be read: then it may be, too.
        """
        if (agent is None or agent.install) and run.version not in self._done:
            self._busy.setdefault(run.version, set()).add(run.id)

    def over(self, run: Run, *, well: bool) -> None:
        """Let the next attempt go on: this one has installed, or ended. Harmless when repeated."""
        if well:
            self._done.add(run.version)
        busy = self._busy.get(run.version)
        if busy is not None:
            busy.discard(run.id)
            if not busy:
                del self._busy[run.version]
        self.wake(run)

    async def keep(self, run: Run) -> None:
        """Store that a version is installed; a store that rejects it costs one more install, later."""
        try:
            await self._store.mark_installed(run.version, self._now())
        except PraisonrunError as rejected:
            log.warning("run %s: its install ran well but the store rejected it: %s", run.id, rejected)

    def wake(self, run: Run) -> None:
        """Have those who wait for an install look again: one of them was cancelled."""
        self._notifier.ring(_topic(run.version))


def _topic(version: str) -> str:
    return f"install:{version}"
