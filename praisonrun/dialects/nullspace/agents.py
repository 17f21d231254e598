"""The agents that the Nullspace dialect knows, by id or name: those of the file, and those of past runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ...core import clock
from ...core.agent import Agent
from ...core.errors import Unavailable
from ...engine.engine import Choice, Engine
from ...store import StoredVersion
from .answers import Missing
from .words import deployment_id, version_id

PREFIX = "/v1/agent-deployments"
DEPLOYMENT = PREFIX + "/{deployment}"


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """The agent that a path names."""

    agent: Agent
    digest: str
    """The digest of its current version, or of its last one if the file no longer has it."""
    active: bool


class Agents:
    """Finds present and past agents. Every endpoint of the dialect begins here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def all(self) -> list[ResolvedAgent]:
        """Return the agents of the file, in its order."""
        return [await self._current(agent) for agent in self._engine.catalog.all()]

    async def gone(self) -> list[ResolvedAgent]:
        """Return the agents of past runs that the file no longer has."""
        present = {agent.name for agent in self._engine.catalog.all()}
        found = []
        for name in await self._engine.store.agents_seen():
            if name not in present:
                with suppress(Missing, Unavailable):  # a damaged version costs itself, not the list
                    found.append(await self._past(name))
        return found

    async def of(self, request: Request) -> ResolvedAgent:
        """Return the agent that a path names. Raises Missing."""
        ref: str = request.path_params["deployment"]
        present = {agent.name: agent for agent in self._engine.catalog.all()}
        name = _named(ref, present)
        if name is not None:
            return await self._current(present[name])
        name = _named(ref, await self._engine.store.agents_seen())
        if name is None:
            raise _no_deployment(f"there is no agent deployment {ref[:100]!r}")
        return await self._past(name)

    async def choice(self, request: Request, version: str | None) -> Choice:
        """Return what a submit asks for: an agent of the file, and maybe its version. Raises Missing."""
        found = await self.of(request)
        if not found.active:
            raise _no_deployment(f"agent {found.agent.name!r} is no longer in agents.yaml")
        return Choice(found.agent.name, version=await self.digest(found, version))

    async def version(self, found: ResolvedAgent, wanted: str) -> StoredVersion:
        """Return a version by its id. Raises Missing."""
        for stored in await self._engine.store.versions(found.agent.name):
            if wanted in (version_id(stored.digest), stored.digest):
                return stored
        message = f"agent {found.agent.name!r} never had a version {wanted[:100]!r}"
        raise Missing("agent_deployment_version_not_found", message)

    async def digest(self, found: ResolvedAgent, wanted: str | None) -> str | None:
        """Return the digest that a version's id, if one is given, stands for. Raises Missing."""
        return None if wanted is None else (await self.version(found, wanted)).digest

    async def _current(self, agent: Agent) -> ResolvedAgent:
        return ResolvedAgent(agent, await self._engine.store.see_version(agent, clock.now()), active=True)

    async def _past(self, name: str) -> ResolvedAgent:
        versions = await self._engine.store.versions(name)
        if not versions:
            raise _no_deployment(f"nothing that can be read is left of agent {name!r}")
        return ResolvedAgent(entry(versions[0]), versions[0].digest, active=False)


def entry(stored: StoredVersion) -> Agent:
    """Return the agent of a version, with placeholders for its env values."""
    return Agent.from_definition(stored.definition, dict.fromkeys(stored.definition["env"], "-"))


def _named(ref: str, names: Mapping[str, Any]) -> str | None:
    return ref if ref in names else next((name for name in names if deployment_id(name) == ref), None)


def _no_deployment(message: str) -> Missing:
    return Missing("agent_deployment_not_found", message)
