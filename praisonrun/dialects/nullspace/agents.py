"""The agents that the Nullspace dialect knows, by id or name: those of the file, and those of past runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ...core.agent import Agent
from ...core.errors import NotFound, Unavailable
from ...core.model import Mode, Snapshot
from ...engine.engine import Choice, Engine
from ...store import StoredVersion
from .errors import NoDeployment, NoRun, NoService, NoVersion
from .ids import deployment_id, run_id_of, version_id


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
        self.engine = engine

    async def all(self) -> list[ResolvedAgent]:
        """Return the agents of the file, in its order."""
        return [await self._current(agent) for agent in self.engine.catalog.all()]

    async def gone(self) -> list[ResolvedAgent]:
        """Return the agents of past runs that the file no longer has."""
        present = {agent.name for agent in self.engine.catalog.all()}
        names = [name for name in await self.engine.store.agents_seen() if name not in present]
        found = []
        for name in names:
            with suppress(NoDeployment, Unavailable):  # a damaged version costs itself, not the list
                found.append(await self._past(name))
        return found

    async def of(self, request: Request) -> ResolvedAgent:
        """Return the agent that a path names. Raises NoDeployment."""
        ref: str = request.path_params["deployment"]
        agents = {agent.name: agent for agent in self.engine.catalog.all()}
        name = _named(ref, agents)
        if name is not None:
            return await self._current(agents[name])
        name = _named(ref, await self.engine.store.agents_seen())
        if name is None:
            raise NoDeployment(f"there is no agent deployment {ref[:100]!r}")
        return await self._past(name)

    async def version(self, found: ResolvedAgent, wanted: str) -> StoredVersion:
        """Return a version by its id. Raises NoVersion."""
        versions = await self.engine.store.versions(found.agent.name)
        for stored in versions:
            if wanted in (version_id(stored.digest), stored.digest):
                return stored
        raise NoVersion(f"agent {found.agent.name!r} never had a version {wanted[:100]!r}")

    async def _current(self, agent: Agent) -> ResolvedAgent:
        return ResolvedAgent(agent, await self.engine.see_version(agent), active=True)

    async def _past(self, name: str) -> ResolvedAgent:
        versions = await self.engine.store.versions(name)
        if not versions:
            raise NoDeployment(f"nothing that can be read is left of agent {name!r}")
        latest = versions[0]
        return ResolvedAgent(entry(latest), latest.digest, active=False)


async def chosen(agents: Agents, request: Request, version: str | None) -> tuple[str, Choice]:
    """Return the name of a path's agent, and the version that a submit asks for. Raises NoDeployment."""
    found = await agents.of(request)
    if not found.active:
        raise NoDeployment(f"agent {found.agent.name!r} is no longer in agents.yaml")
    name = found.agent.name
    return name, Choice(name, version=await version_wanted(agents, found, version))


async def version_wanted(agents: Agents, found: ResolvedAgent, wanted: str | None) -> str | None:
    """Return the digest that a version id stands for. Raises NoVersion."""
    return None if wanted is None else (await agents.version(found, wanted)).digest


async def lookup(engine: Engine, found: ResolvedAgent, request: Request, mode: Mode) -> Snapshot:
    """Return the run or service of a path. Raises NoRun or NoService."""
    wire: str = request.path_params["service" if mode is Mode.SERVICE else "run"]
    run_id = run_id_of(wire, mode)
    with suppress(NotFound):
        shown = await engine.get(run_id, full=True) if run_id else None
        if shown and shown.run.mode is mode and shown.run.agent == found.agent.name:
            return shown
    if mode is Mode.SERVICE:
        raise NoService(f"agent {found.agent.name!r} has no service {wire[:100]!r}")
    raise NoRun(f"agent {found.agent.name!r} has no run {wire[:100]!r}")


def entry(stored: StoredVersion) -> Agent:
    """Return the agent of a version, with placeholders for its env values."""
    return Agent.from_definition(stored.definition, dict.fromkeys(stored.definition["env"], "-"))


def _named(ref: str, names: Mapping[str, Any]) -> str | None:
    if ref in names:
        return ref
    return next((name for name in names if deployment_id(name) == ref), None)
