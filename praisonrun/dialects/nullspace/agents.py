"""Which agents the deployments dialect knows, by id or name: the file's, and those that runs remember."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from ...core.errors import NotFound
from ...core.model import Agent, Mode, Snapshot
from ...engine.engine import Choice, Engine
from ...store import StoredVersion
from . import show
from .errors import NoDeployment, NoRun, NoService, NoVersion


@dataclass(frozen=True, slots=True)
class Found:
    """An agent that a path names."""

    agent: Agent
    digest: str
    """Its current version, or its last one where the file has it no more."""
    active: bool


class Agents:
    """Which agents there are and were. What every endpoint of the dialect begins with."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._seen: set[str] = set()

    async def all(self) -> list[Found]:
        """Return the agents of the file, in its order."""
        return [await self._current(agent) for agent in self.engine.catalog.all()]

    async def gone(self) -> list[Found]:
        """Return the agents that runs remember and the file has no more."""
        present = {agent.name for agent in self.engine.catalog.all()}
        names = [name for name in await self.engine.agents_seen() if name not in present]
        return [await self._past(name) for name in names]

    async def of(self, request: Request) -> Found:
        """Return the agent that a path names. Raises NoDeployment."""
        ref: str = request.path_params["deployment"]
        agents = {agent.name: agent for agent in self.engine.catalog.all()}
        name = _named(ref, agents)
        if name is not None:
            return await self._current(agents[name])
        name = _named(ref, await self.engine.agents_seen())
        if name is None:
            raise NoDeployment(f"there is no agent deployment {ref[:100]!r}")
        return await self._past(name)

    async def version(self, found: Found, wanted: str) -> StoredVersion:
        """Return a version by its id. Raises NoVersion."""
        versions = await self.engine.versions(found.agent.name)
        for stored in versions:
            if wanted in (show.version_id(stored.digest), stored.digest):
                return stored
        raise NoVersion(f"agent {found.agent.name!r} never had a version {wanted[:100]!r}")

    async def _current(self, agent: Agent) -> Found:
        digest = agent.version
        if digest not in self._seen:
            await self.engine.see_version(agent)
            self._seen.add(digest)
        return Found(agent, digest, active=True)

    async def _past(self, name: str) -> Found:
        latest = (await self.engine.versions(name))[0]
        return Found(entry(latest), latest.digest, active=False)


async def chosen(agents: Agents, request: Request, version: str | None) -> tuple[str, Choice]:
    """Return the name of a path's agent, and which version of it is asked for."""
    found = await agents.of(request)
    if not found.active:
        raise NoDeployment(f"agent {found.agent.name!r} is no longer in agents.yaml")
    name = found.agent.name
    return name, Choice(name, version=await version_wanted(agents, found, version))


async def version_wanted(agents: Agents, found: Found, wanted: str | None) -> str | None:
    """Return the digest that a version id stands for. Raises NoVersion."""
    return None if wanted is None else (await agents.version(found, wanted)).digest


async def lookup(engine: Engine, found: Found, request: Request, mode: Mode) -> Snapshot:
    """Return the run or service of a path. Raises NoRun or NoService."""
    wire: str = request.path_params["service" if mode is Mode.SERVICE else "run"]
    run_id = show.run_id(wire, mode)
    with suppress(NotFound):
        shown = await engine.get(run_id, full=True) if run_id else None
        if shown and shown.run.mode is mode and shown.run.agent == found.agent.name:
            return shown
    if mode is Mode.SERVICE:
        raise NoService(f"agent {found.agent.name!r} has no service {wire[:100]!r}")
    raise NoRun(f"agent {found.agent.name!r} has no run {wire[:100]!r}")


def entry(stored: StoredVersion) -> Agent:
    """Return the agent that a version stood for, with something in the place of its env values."""
    return Agent.from_definition(stored.definition, dict.fromkeys(stored.definition["env"], "-"))


def _named(ref: str, names: Mapping[str, Any]) -> str | None:
    if ref in names:
        return ref
    return next((name for name in names if show.deployment_id(name) == ref), None)
