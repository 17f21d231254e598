"""The agents' versions that runs were submitted with: looked up, and installed once each."""

from __future__ import annotations

import logging

from ..core.agent import Agent
from ..core.errors import PraisonrunError
from ..core.model import Run
from ..store import Store
from .context import Context, Live

log = logging.getLogger("praisonrun")
_TOPIC = "install"
KNOWN = 1000
"""Versions kept in memory; files and edits may bring any number."""


class Versions:
    """Looks versions up, the recent ones in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known: dict[str, Agent] = {}
        """What needs no look at the store, by digest."""

    def remember(self, version: str, agent: Agent) -> Agent:
        """Keep a version in memory."""
        if len(self.known) >= KNOWN:
            self.known.clear()
        self.known[version] = agent
        return agent

    async def of(self, run: Run) -> Agent:
        """Return the version that a run was submitted with, without its literal env values.

        Raises NotFound or Unreadable for a row that says none, Unavailable while the store cannot be read.
        """
        if (known := self.known.get(run.version)) is not None:
            return known
        stored = await self._store.version(run.version)
        return self.remember(run.version, Agent.from_definition(stored.definition, {}))


class Installs:
    """Which versions are installed, and which attempts are about it now.

    Attempts whose install command is the same take turns, whatever their entries: what it makes may be the
    same, too, a database in the home directory, say.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._done: set[str] = set()
        """Versions."""
        self._busy: dict[str, tuple[str, ...] | None] = {}
        """Runs whose attempts may install now, and their command; None where it is not known yet."""

    async def begin(self, live: Live) -> bool:
        """Say whether this attempt has to install, once no other does; `over` is owed, also if this fails."""
        run, command = live.run, live.agent.install
        if not command or run.version in self._done:
            return False
        while self._others(live) and not live.given_up:
            await self._context.notifier.bell(_TOPIC).wait()
        if live.given_up or run.version in self._done:
            return False
        self._busy[run.id] = command
        if (await self._context.store.version(run.version)).installed_at is None:
            return True
        self.over(run, well=True)
        return False

    def _others(self, live: Live) -> bool:
        """Say whether another attempt is at the same command, or may be."""
        same = (live.agent.install, None)
        return any(command in same for run_id, command in self._busy.items() if run_id != live.run.id)

    def found(self, live: Live) -> None:
        """Take note of an attempt of an earlier server, which may be at its install command."""
        known = live.progress is not None  # else its version could not be read
        if (live.agent.install or not known) and live.run.version not in self._done:
            self._busy[live.run.id] = live.agent.install if known else None

    def learnt(self, live: Live) -> None:
        """Take note that the version of an attempt is known by now: it holds up its own install at most."""
        if live.run.id in self._busy:
            self._busy[live.run.id] = live.agent.install
            self.wake()

    def over(self, run: Run, *, well: bool) -> None:
        """Let the next attempt go on: this one has installed, or ended. Harmless when repeated."""
        if well:
            self._done.add(run.version)
        self._busy.pop(run.id, None)
        self.wake()

    async def keep(self, run: Run) -> None:
        """Store that a version is installed; a store that rejects it costs one more install, later."""
        try:
            await self._context.store.mark_installed(run.version, self._context.now())
        except PraisonrunError as rejected:
            log.warning("run %s: its install ran well but the store rejected it: %s", run.id, rejected)

    def wake(self) -> None:
        """Have those who wait for an install look again: one of them was cancelled."""
        self._context.notifier.ring(_TOPIC)
