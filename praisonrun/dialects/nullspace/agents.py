"""The Nullspace dialect's agents, here called deployments, and their versions.

An entry of agents.yaml is a deployment. Every path takes its id or the agent's plain name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ...core import clock
from ...core.agent import Agent
from ...core.errors import BadRequest, Unavailable
from ...core.json import Json
from ...engine.engine import Choice, Engine
from ...store import StoredVersion
from ...web.operations import Answer, operation
from ...web.requests import read_query
from . import models, schemas, show, words
from .answers import ABSENT, FAULT, Missing, answer, rejection

PREFIX = "/v1/agent-deployments"
DEPLOYMENT = PREFIX + "/{deployment}"
VERSIONS = DEPLOYMENT + "/versions"
VERSION = VERSIONS + "/{version}"
_DEPLOYMENTS = {200: Answer("A page.", schemas.DeploymentPage), **FAULT}
_VERSIONS = {200: Answer("A page.", schemas.VersionPage), **ABSENT}
_ELSEWHERE = {501: rejection("Not here.")}
_NO_DEPLOYMENT = "agent_deployment_not_found"


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
            raise Missing(_NO_DEPLOYMENT, f"there is no agent deployment {ref[:100]!r}")
        return await self._past(name)

    async def choice(self, request: Request, version: str | None) -> Choice:
        """Return what a submit asks for: an agent of the file, and maybe its version. Raises Missing."""
        found = await self.of(request)
        if not found.active:
            raise Missing(_NO_DEPLOYMENT, f"agent {found.agent.name!r} is no longer in agents.yaml")
        return Choice(found.agent.name, version=await self.digest(found, version))

    async def digest(self, found: ResolvedAgent, wanted: str | None) -> str | None:
        """Return the digest that a version's id, if one is given, stands for. Raises Missing."""
        return None if wanted is None else (await self.version(found, wanted)).digest

    async def version(self, found: ResolvedAgent, wanted: str) -> StoredVersion:
        """Return a version by its id. Raises Missing."""
        for stored in await self._engine.store.versions(found.agent.name):
            if wanted in (words.version_id(stored.digest), stored.digest):
                return stored
        message = f"agent {found.agent.name!r} never had a version {wanted[:100]!r}"
        raise Missing("agent_deployment_version_not_found", message)

    async def _current(self, agent: Agent) -> ResolvedAgent:
        return ResolvedAgent(agent, await self._engine.store.see_version(agent, clock.now()), active=True)

    async def _past(self, name: str) -> ResolvedAgent:
        versions = await self._engine.store.versions(name)
        if not versions:
            raise Missing(_NO_DEPLOYMENT, f"nothing that can be read is left of agent {name!r}")
        return ResolvedAgent(_entry(versions[0]), versions[0].digest, active=False)


def _named(ref: str, names: Mapping[str, Any]) -> str | None:
    return ref if ref in names else next((name for name in names if words.deployment_id(name) == ref), None)


def _entry(stored: StoredVersion) -> Agent:
    """Return the agent of a version, with placeholders for its env values."""
    return Agent.from_definition(stored.definition, dict.fromkeys(stored.definition["env"], "-"))


class Deployments:
    """The endpoints of agents and versions. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation("GET", PREFIX, _DEPLOYMENTS, query=models.DeploymentsQuery)
    async def list_deployments(self, request: Request) -> Response:
        """List agents."""
        query = read_query(request, models.DeploymentsQuery)
        found: list[ResolvedAgent] = []
        if query.status in (None, "active"):
            found = await self._agents.all()
        elif query.status == "deleted":
            found = await self._agents.gone()
        seen = await self._engine.store.agents_seen()
        wanted = [one for one in found if query.mode in (None, words.MODE[one.agent.mode])]
        items = [
            show.deployment(one.agent, one.digest, seen.get(one.agent.name), active=one.active)
            for one in wanted
        ]
        return _page(items, query)

    @operation("GET", DEPLOYMENT, {200: Answer("The agent.", schemas.Deployment), **ABSENT})
    async def get_deployment(self, request: Request) -> Response:
        """Get an agent."""
        found = await self._agents.of(request)
        seen = (await self._engine.store.agents_seen()).get(found.agent.name)
        return answer(show.deployment(found.agent, found.digest, seen, active=found.active))

    @operation("GET", VERSIONS, _VERSIONS, query=models.VersionsQuery)
    async def list_versions(self, request: Request) -> Response:
        """List an agent's versions, the latest first."""
        query = read_query(request, models.VersionsQuery)
        found = await self._agents.of(request)
        items = [self._version(found, one) for one in await self._engine.store.versions(found.agent.name)]
        return _page([item for item in items if query.status in (None, item["status"])], query)

    @operation("GET", VERSION, {200: Answer("The version.", schemas.Version), **ABSENT})
    async def get_version(self, request: Request) -> Response:
        """Get a version."""
        found = await self._agents.of(request)
        return answer(self._version(found, await self._agents.version(found, request.path_params["version"])))

    @operation("POST", PREFIX, _ELSEWHERE, name="post_deployment")
    @operation("PATCH", DEPLOYMENT, _ELSEWHERE, name="patch_deployment")
    @operation("DELETE", DEPLOYMENT, _ELSEWHERE, name="delete_deployment")
    @operation("POST", VERSIONS, _ELSEWHERE, name="post_version")
    @operation("PATCH", VERSION, _ELSEWHERE, name="patch_version")
    @operation("DELETE", VERSION, _ELSEWHERE, name="delete_version")
    @operation("PUT", VERSION + "/bundle", _ELSEWHERE, name="put_bundle")
    async def reject(self, _request: Request) -> Response:
        """Rejected: agents.yaml is the source of truth."""
        raise HTTPException(501, "agents.yaml is the source of truth here: edit it, and it is read again")

    def _version(self, found: ResolvedAgent, stored: StoredVersion) -> dict[str, Json]:
        latest = stored.digest == found.digest
        agent = found.agent if latest else _entry(stored)
        return show.version(agent, stored, self._engine.catalog.environ, current=latest and found.active)


def _page(items: list[dict[str, Json]], query: models.PageQuery) -> Response:
    """Return a page of a short list. Its cursor is the id of the last item shown."""
    start = 0
    if query.cursor is not None:
        ids = [item["id"] for item in items]
        if query.cursor not in ids:
            raise BadRequest(f"cursor {query.cursor[:40]!r} is no place of this list; start without one")
        start = ids.index(query.cursor) + 1
    end = start + query.limit
    onward = items[end - 1]["id"] if end < len(items) else None
    return answer({"items": items[start:end], "next_cursor": onward})
