"""The Nullspace dialect's services: runs that are not expected to end."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import WrongState
from ...core.model import Mode, Snapshot, Status
from ...engine.engine import Engine, Submit
from ...store import Find
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_body, read_query
from . import models, schemas, show_services
from .agents import Agents, chosen, lookup, version_wanted
from .answers import ABSENT, CREATE, KEY_HEADER, SERVICE, SERVICES, WRONG_STATE
from .forms import answer, fingerprint_of, key_of, listed, log_page

_LIVE = (Status.QUEUED, Status.RUNNING)
_STATUS: Mapping[str, Collection[Status]] = {
    "starting": _LIVE,
    "ready": _LIVE,
    "unhealthy": _LIVE,
    "stopping": _LIVE,
    "stopped": (Status.CANCELLED,),
    "failed": (Status.FAILED,),
}
_SHOWN = Answer("The service.", schemas.Service)


class Services:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation(
        "POST", SERVICES, {201: _SHOWN, **ABSENT, **CREATE}, body=models.ServiceCreate, headers=KEY_HEADER
    )
    async def create_service(self, request: Request) -> Response:
        """Start a service.

        Answers once the service is stored; it is not ready yet.
        """
        given = parse_object(await request.body() or b"{}")
        body = models.ServiceCreate.model_validate(given)
        name, choice = await chosen(self._agents, request, body.version_id)
        ask = Submit(choice, "", mode=Mode.SERVICE, envs=body.envs or {})
        key = key_of(request, "services", name)
        shown, replayed = await self._engine.submit(ask, key, fingerprint_of(given))
        return await self._answer(shown, 201, replayed=replayed)

    @operation(
        "GET", SERVICES, {200: Answer("A page.", schemas.ServicePage), **ABSENT}, query=models.ServicesQuery
    )
    async def list_services(self, request: Request) -> Response:
        """List an agent's services, newest first."""
        query = read_query(request, models.ServicesQuery)
        found = await self._agents.of(request)
        wanted = Find(
            agent=found.agent.name,
            mode=Mode.SERVICE,
            status=_STATUS[query.status] if query.status else None,
            version=await version_wanted(self._agents, found, query.version_id),
        )
        page, onward = await listed(
            self._engine,
            wanted,
            query,
            lambda shown: query.status in (None, show_services.service_word(shown)),
        )
        items = [show_services.service(shown, await self._engine.agent_of(shown.run)) for shown in page]
        return answer({"items": items, "next_cursor": onward})

    @operation("GET", SERVICE, {200: _SHOWN, **ABSENT})
    async def get_service(self, request: Request) -> Response:
        """Get a service."""
        return await self._answer(await self._service(request))

    @operation("POST", SERVICE + "/stop", {200: _SHOWN, **ABSENT, **WRONG_STATE}, body=models.Stop)
    async def stop_service(self, request: Request) -> Response:
        """Stop a service.

        Answers once its process is gone; a service that was stopped before is no error.
        """
        body = await read_body(request, models.Stop)
        shown = await self._service(request)
        if shown.run.status is not Status.CANCELLED:
            try:
                await self._engine.cancel(
                    shown.run.id, body.reason, keep_scratch=body.retain_sandbox or False
                )
            except WrongState:
                word = show_services.service_word(await self._service(request))
                raise WrongState(f"service {request.path_params['service']} has {word} already") from None
        return await self._answer(await self._service(request))

    @operation("POST", SERVICE + "/restart", {200: _SHOWN, **ABSENT, **CREATE}, body=models.Restart)
    async def restart_service(self, request: Request) -> Response:
        """Restart a service.

        It keeps its id, and gets fresh envs.
        """
        body = await read_body(request, models.Restart)
        shown = await self._service(request)
        return await self._answer(await self._engine.restart(shown.run.id, body.envs or {}, body.reason))

    @operation(
        "GET",
        SERVICE + "/logs",
        {200: Answer("A page of a log.", schemas.LogPage), **ABSENT},
        query=models.LogsQuery,
    )
    async def get_service_logs(self, request: Request) -> Response:
        """Read a service's log."""
        return await log_page(self._engine, await self._service(request), request)

    @operation("GET", SERVICE + "/url", {200: Answer("Where it answers.", schemas.ServiceUrl), **ABSENT})
    async def get_service_url(self, request: Request) -> Response:
        """Get a service's address."""
        shown = await self._service(request)
        return answer(show_services.url(shown, await self._engine.agent_of(shown.run)))

    async def _service(self, request: Request) -> Snapshot:
        return await lookup(self._engine, await self._agents.of(request), request, Mode.SERVICE)

    async def _answer(self, shown: Snapshot, status: int = 200, *, replayed: bool = False) -> Response:
        agent = await self._engine.agent_of(shown.run)
        return answer(show_services.service(shown, agent), status, replayed=replayed)
