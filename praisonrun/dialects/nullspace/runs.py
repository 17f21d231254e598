"""The Nullspace dialect's runs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import WrongState
from ...core.json import Json
from ...core.model import Failure, Mode, Snapshot, Status
from ...engine.engine import Engine, Submit
from ...store import Find
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_body, read_query
from . import models, schemas, show
from .agents import Agents, chosen, lookup, version_wanted
from .answers import ABSENT, CREATE, KEY_HEADER, RUN, RUNS, WRONG_STATE
from .forms import answer, fingerprint_of, key_of, listed, log_page
from .ids import wire_id

INPUT_ENV = "NULLSPACE_INPUT"
"""The environment variable that holds an agent's input, too."""
_RUN_STATUS: Mapping[str, tuple[Status, frozenset[Failure] | None]] = {
    "queued": (Status.QUEUED, None),
    "starting": (Status.RUNNING, None),
    "installing": (Status.RUNNING, None),
    "running": (Status.RUNNING, None),
    "succeeded": (Status.SUCCEEDED, None),
    "cancelled": (Status.CANCELLED, None),
    "failed": (Status.FAILED, frozenset(Failure) - show.TIMED_OUT),
    "timed_out": (Status.FAILED, show.TIMED_OUT),
}
_SHOWN = Answer("The run.", schemas.Run)


class Runs:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation(
        "POST", RUNS, {201: _SHOWN, **ABSENT, **CREATE}, body=models.RunCreate, headers=KEY_HEADER, large=True
    )
    async def create_run(self, request: Request) -> Response:
        """Create a run."""
        given = parse_object(await request.body() or b"{}")
        body = models.RunCreate.model_validate(given)
        name, choice = await chosen(self._agents, request, body.version_id)
        text = json.dumps(body.input or {}, ensure_ascii=False)
        ask = Submit(
            choice,
            _prompt(body.input or {}, text),
            input=text,
            input_env=INPUT_ENV,
            envs=body.envs or {},
            retain_on_failure=body.retain_on_failure,
            retention_seconds=body.retention_seconds,
        )
        shown, replayed = await self._engine.submit(ask, key_of(request, "runs", name), fingerprint_of(given))
        if replayed:
            shown = await self._engine.get(shown.run.id, full=True)
        return answer(show.run(shown), 201, replayed=replayed)

    @operation("GET", RUNS, {200: Answer("A page.", schemas.RunsPage), **ABSENT}, query=models.RunsQuery)
    async def list_deployment_runs(self, request: Request) -> Response:
        """List an agent's runs, newest first."""
        query = read_query(request, models.RunsQuery)
        found = await self._agents.of(request)
        status, failure = _RUN_STATUS[query.status] if query.status else (None, None)
        wanted = Find(
            agent=found.agent.name,
            status=None if status is None else (status,),
            failure=failure,
            version=await version_wanted(self._agents, found, query.version_id),
        )
        page, onward = await listed(
            self._engine, wanted, query, lambda shown: query.status in (None, show.run_word(shown))
        )
        return answer({"items": [show.run(shown) for shown in page], "next_cursor": onward})

    @operation("GET", RUN, {200: _SHOWN, **ABSENT})
    async def get_deployment_run(self, request: Request) -> Response:
        """Get a run."""
        return answer(show.run(await self._run(request)))

    @operation("POST", RUN + "/cancel", {200: _SHOWN, **ABSENT, **WRONG_STATE}, body=models.Cancel)
    async def cancel_deployment_run(self, request: Request) -> Response:
        """Cancel a run.

        Answers once its process is gone; a run that was cancelled before is no error.
        """
        body = await read_body(request, models.Cancel)
        shown = await self._run(request)
        if shown.run.status is not Status.CANCELLED:
            try:
                await self._engine.cancel(shown.run.id, body.reason)
            except WrongState:
                ended = show.run_word(await self._run(request))
                raise WrongState(f"run {request.path_params['run']} has {ended} already") from None
        return answer(show.run(await self._run(request)))

    @operation(
        "GET",
        RUN + "/logs",
        {200: Answer("A page of a log.", schemas.LogPage), **ABSENT},
        query=models.LogsQuery,
    )
    async def get_run_logs(self, request: Request) -> Response:
        """Read a run's log."""
        return await log_page(self._engine, await self._run(request), request)

    @operation("GET", RUN + "/outputs", {200: Answer("The outputs.", schemas.Outputs), **ABSENT})
    async def get_run_outputs(self, request: Request) -> Response:
        """Get what a run left."""
        shown = await self._run(request)
        manifest = show.manifest(shown.run)
        outputs = manifest.get("outputs", [])
        return answer({"run_id": wire_id(shown.run), "output_manifest": manifest, "outputs": outputs})

    async def _run(self, request: Request) -> Snapshot:
        return await lookup(self._engine, await self._agents.of(request), request, Mode.RUN)


def _prompt(given: Mapping[str, Json], text: str) -> str:
    prompt = given.get("prompt")
    return prompt if isinstance(prompt, str) and "\0" not in prompt else text
