"""The Nullspace dialect's agents, here called deployments, and their versions.

An entry of agents.yaml is a deployment. Every path takes its id or the agent's plain name.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest
from ...core.json import Json
from ...engine.engine import Engine
from ...web.operations import Answer, operation
from ...web.requests import read_query
from . import models, schemas, show, words
from .agents import DEPLOYMENT, PREFIX, Agents, ResolvedAgent
from .answers import ABSENT, FAULT, answer, rejection

VERSIONS = DEPLOYMENT + "/versions"
VERSION = VERSIONS + "/{version}"
_LISTED = {200: Answer("A page.", schemas.DeploymentPage), **FAULT}
_VERSIONS = {200: Answer("A page.", schemas.VersionPage), **ABSENT}
_ELSEWHERE = {501: rejection("Not here.")}


class Deployments:
    """The endpoints of agents and versions. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation("GET", PREFIX, _LISTED, query=models.DeploymentsQuery)
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
        return _page([show.deployment(one, seen.get(one.agent.name)) for one in wanted], query)

    @operation("GET", DEPLOYMENT, {200: Answer("The agent.", schemas.Deployment), **ABSENT})
    async def get_deployment(self, request: Request) -> Response:
        """Get an agent."""
        found = await self._agents.of(request)
        seen = await self._engine.store.agents_seen()
        return answer(show.deployment(found, seen.get(found.agent.name)))

    @operation("GET", VERSIONS, _VERSIONS, query=models.VersionsQuery)
    async def list_versions(self, request: Request) -> Response:
        """List an agent's versions, the latest first."""
        query = read_query(request, models.VersionsQuery)
        found = await self._agents.of(request)
        versions = await self._engine.store.versions(found.agent.name)
        items = [show.version(found, stored, self._engine.catalog.environ) for stored in versions]
        return _page([item for item in items if query.status in (None, item["status"])], query)

    @operation("GET", VERSION, {200: Answer("The version.", schemas.Version), **ABSENT})
    async def get_version(self, request: Request) -> Response:
        """Get a version."""
        found = await self._agents.of(request)
        stored = await self._agents.version(found, request.path_params["version"])
        return answer(show.version(found, stored, self._engine.catalog.environ))


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
        raise HTTPException(501, "agents.yaml is the source of truth here: edit it, and it is read again")


def _page(items: list[dict[str, Json]], query: models.PageQuery) -> Response:
    """Return a page of a short list. Its cursor is the id of the last item shown."""
    start = 0
    if query.cursor is not None:
        ids = [item["id"] for item in items]
        if query.cursor not in ids:
            raise BadRequest(f"cursor {query.cursor[:40]!r} is no place of this list; start without one")
        start = ids.index(query.cursor) + 1
    end = start + query.limit
    return answer(
        {"items": items[start:end], "next_cursor": items[end - 1]["id"] if end < len(items) else None}
    )
