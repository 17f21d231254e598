"""The Nullspace dialect's agents, here called deployments, and their versions.

An entry of agents.yaml is a deployment. Every path takes its id or the agent's plain name.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...core.json import Json
from ...engine.engine import Engine
from ...store import StoredVersion
from ...web.operations import Answer, operation
from ...web.requests import read_query
from . import models, schemas, show_agents
from .agents import Agents, ResolvedAgent, entry
from .answers import ABSENT, DEPLOYMENT, FAULT, PREFIX, VERSION, VERSIONS, rejection
from .errors import NotImplementedHere
from .forms import answer, page_of

_ELSEWHERE = {501: rejection("Not here.")}


class Deployments:
    """The endpoints of agents and versions. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation(
        "GET",
        PREFIX,
        {200: Answer("A page.", schemas.DeploymentPage), **FAULT},
        query=models.DeploymentsQuery,
    )
    async def list_deployments(self, request: Request) -> Response:
        """List agents.

        One for each entry of agents.yaml, in its order.
        """
        query = read_query(request, models.DeploymentsQuery)
        found: list[ResolvedAgent] = []
        if query.status in (None, "active"):
            found = await self._agents.all()
        elif query.status == "deleted":
            found = await self._agents.gone()
        seen = await self._engine.store.agents_seen()
        items = [
            show_agents.deployment(one.agent, one.digest, seen.get(one.agent.name), active=one.active)
            for one in found
            if query.mode in (None, show_agents.MODE[one.agent.mode])
        ]
        return answer(page_of(items, query))

    @operation("GET", DEPLOYMENT, {200: Answer("The agent.", schemas.Deployment), **ABSENT})
    async def get_deployment(self, request: Request) -> Response:
        """Get an agent."""
        found = await self._agents.of(request)
        seen = (await self._engine.store.agents_seen()).get(found.agent.name)
        return answer(show_agents.deployment(found.agent, found.digest, seen, active=found.active))

    @operation(
        "GET", VERSIONS, {200: Answer("A page.", schemas.VersionPage), **ABSENT}, query=models.VersionsQuery
    )
    async def list_versions(self, request: Request) -> Response:
        """List an agent's versions, the latest first."""
        query = read_query(request, models.VersionsQuery)
        found = await self._agents.of(request)
        items = [
            self._version(found, stored) for stored in await self._engine.store.versions(found.agent.name)
        ]
        wanted = [item for item in items if query.status in (None, item["status"])]
        return answer(page_of(wanted, query))

    @operation("GET", VERSION, {200: Answer("The version.", schemas.Version), **ABSENT})
    async def get_version(self, request: Request) -> Response:
        """Get a version."""
        found = await self._agents.of(request)
        return answer(self._version(found, await self._agents.version(found, request.path_params["version"])))

    def _version(self, found: ResolvedAgent, stored: StoredVersion) -> dict[str, Json]:
        current = found.digest if found.active else None
        agent = found.agent if stored.digest == found.digest else entry(stored)
        return show_agents.version(stored, agent, current, self._engine.catalog.environ)


class Elsewhere:
    """Changes of what agents.yaml says."""

    @operation("POST", PREFIX, _ELSEWHERE, name="post_deployment")
    @operation("PATCH", DEPLOYMENT, _ELSEWHERE, name="patch_deployment")
    @operation("DELETE", DEPLOYMENT, _ELSEWHERE, name="delete_deployment")
    @operation("POST", VERSIONS, _ELSEWHERE, name="post_version")
    @operation("PATCH", VERSION, _ELSEWHERE, name="patch_version")
    @operation("DELETE", VERSION, _ELSEWHERE, name="delete_version")
    @operation("PUT", VERSION + "/bundle", _ELSEWHERE, name="put_bundle")
    async def reject(self, _request: Request) -> Response:
        """Refused: agents.yaml is the source of truth."""
        raise NotImplementedHere("agents.yaml is the source of truth here: edit it, and it is read again")
