"""The Nullspace dialect's runs, and its services: runs that are not expected to end."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.json import Json
from ...core.model import Mode
from ...engine.engine import Submit
from ...web.operations import Answer, Header, operation
from ...web.requests import KEY, parse_object, read_body, read_query
from . import models, schemas, show
from .agents import DEPLOYMENT
from .answers import ABSENT, CREATE, GONE, WRONG_STATE, answer
from .executions import Executions

RUNS = DEPLOYMENT + "/runs"
RUN = RUNS + "/{run}"
SERVICES = DEPLOYMENT + "/services"
SERVICE = SERVICES + "/{service}"
_KEY = {
    "Idempotency-Key": Header("A repeated create answers with the first one's record.", KEY, required=True)
}
_RUN = Answer("The run.", schemas.Run)
_RUNS = {200: Answer("A page.", schemas.RunPage), **ABSENT}
_SERVICE = Answer("The service.", schemas.Service)
_SERVICES = {200: Answer("A page.", schemas.ServicePage), **ABSENT}
_LOG = {200: Answer("A page of a log.", schemas.LogPage), **ABSENT, **GONE}


class Runs(Executions):
    """The endpoints of runs. Each one parses, calls the engine, and shows the answer."""

    mode = Mode.RUN

    @operation("POST", RUNS, {201: _RUN, **CREATE}, body=models.RunCreate, headers=_KEY, large=True)
    async def create_run(self, request: Request) -> Response:
        """Create a run."""
        given = parse_object(await request.body() or b"{}")
        body = models.RunCreate.model_validate(given)
        text = json.dumps(body.input or {}, ensure_ascii=False)
        ask = Submit(
            await self._agents.choice(request, body.version_id),
            _prompt(body.input or {}, text),
            input=text,
            input_env="NULLSPACE_INPUT",
            envs=body.envs or {},
            retain_on_failure=body.retain_on_failure,
            retention_seconds=body.retention_seconds,
        )
        return await self._submit(request, given, ask)

    @operation("GET", RUNS, _RUNS, query=models.RunsQuery, heavy=True)
    async def list_deployment_runs(self, request: Request) -> Response:
        """List an agent's runs, newest first."""
        return await self._list(request, read_query(request, models.RunsQuery))

    @operation("GET", RUN, {200: _RUN, **ABSENT}, heavy=True)
    async def get_deployment_run(self, request: Request) -> Response:
        """Get a run."""
        return await self._get(request)

    @operation("POST", RUN + "/cancel", {200: _RUN, **WRONG_STATE}, body=models.Cancel)
    async def cancel_deployment_run(self, request: Request) -> Response:
        """Cancel a run."""
        return await self._cancel(request, (await read_body(request, models.Cancel)).reason)

    @operation("GET", RUN + "/logs", _LOG, query=models.LogsQuery, heavy=True)
    async def get_run_logs(self, request: Request) -> Response:
        """Read a run's log."""
        return await self._log(request)

    @operation("GET", RUN + "/outputs", {200: Answer("The outputs.", schemas.Outputs), **ABSENT})
    async def get_run_outputs(self, request: Request) -> Response:
        """Get what a run left."""
        return answer(show.outputs((await self._of(request)).run))


def _prompt(given: Mapping[str, Json], text: str) -> str:
    prompt = given.get("prompt")
    return prompt if isinstance(prompt, str) and "\0" not in prompt else text


class Services(Executions):
    """The endpoints of services. Each one parses, calls the engine, and shows the answer."""

    mode = Mode.SERVICE

    @operation("POST", SERVICES, {201: _SERVICE, **CREATE}, body=models.ServiceCreate, headers=_KEY)
    async def create_service(self, request: Request) -> Response:
        """Start a service."""
        given = parse_object(await request.body() or b"{}")
        body = models.ServiceCreate.model_validate(given)
        choice = await self._agents.choice(request, body.version_id)
        return await self._submit(request, given, Submit(choice, "", mode=self.mode, envs=body.envs or {}))

    @operation("GET", SERVICES, _SERVICES, query=models.ServicesQuery)
    async def list_services(self, request: Request) -> Response:
        """List an agent's services, newest first."""
        return await self._list(request, read_query(request, models.ServicesQuery))

    @operation("GET", SERVICE, {200: _SERVICE, **ABSENT})
    async def get_service(self, request: Request) -> Response:
        """Get a service."""
        return await self._get(request)

    @operation("POST", SERVICE + "/stop", {200: _SERVICE, **WRONG_STATE}, body=models.Stop)
    async def stop_service(self, request: Request) -> Response:
        """Stop a service."""
        body = await read_body(request, models.Stop)
        return await self._cancel(request, body.reason, keep_scratch=body.retain_sandbox or False)

    @operation("POST", SERVICE + "/restart", {200: _SERVICE, **CREATE}, body=models.Restart)
    async def restart_service(self, request: Request) -> Response:
        """Restart a service."""
        body = await read_body(request, models.Restart)
        run = (await self._of(request)).run
        return answer(await self._shown(await self._engine.restart(run.id, body.envs or {}, body.reason)))

    @operation("GET", SERVICE + "/logs", _LOG, query=models.LogsQuery, heavy=True)
    async def get_service_logs(self, request: Request) -> Response:
        """Read a service's log."""
        return await self._log(request)

    @operation("GET", SERVICE + "/url", {200: Answer("Where it answers.", schemas.ServiceUrl), **ABSENT})
    async def get_service_url(self, request: Request) -> Response:
        """Get a service's address."""
        shown = await self._of(request)
        return answer(show.url(shown, await self._engine.versions.of(shown.run)))
