"""The agents' versions that runs were submitted with."""

from __future__ import annotations

from ..core.agent import Agent
from ..core.model import Run
from ..store import Store

KNOWN = 1000
"""Versions kept in memory; files and edits may bring any number."""


class Versions:
    """Looks versions up, the recent ones in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Agent] = {}

    def known(self, run: Run) -> Agent | None:
        """Return a run's agent if no look at the store is needed."""
        return self._known.get(run.version)

    def remember(self, version: str, agent: Agent) -> Agent:
        """Keep a version in memory."""
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[version] = agent
        return agent

    async def of(self, run: Run) -> Agent:
        """Return the version that a run was submitted with.

        Raises NotFound or Unreadable for a row that says none, Unavailable while the store cannot be read.
        """
        known = self._known.get(run.version)
        if known is not None:
            return known
        stored = await self._store.version(run.version)
        return self.remember(run.version, Agent.from_definition(stored.definition, {}))
