"""The deployments dialect (`/v1/agent-deployments`): agents, their versions and their runs.

An entry of agents.yaml is a deployment. Every path takes its id or the agent's plain name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import WrongState
from ...core.json import Json
from ...core.model import Failure, Mode, Snapshot, Status
from ...engine.engine import Engine, Submit
from ...store import Find, StoredVersion
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_body, read_query
from . import models, show
from .agents import Agents, Found, chosen, entry, lookup, version_wanted
from .answers import (
    ABSENT,
    CREATE,
    DEPLOYMENT,
    FAULT,
    KEY_HEADER,
    PREFIX,
    RUN,
    RUNS,
    VERSION,
    VERSIONS,
    WRONG_STATE,
    rejection,
)
from .errors import NotImplementedHere
from .forms import answer, fingerprint_of, key_of, listed, log_page, page_of

INPUT_ENV = "NULLSPACE_INPUT"
"""Where an agent finds its input in its environment, too."""
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
_SHOWN = Answer("The run.", models.Run)
_ELSEWHERE = {501: rejection("Not here.")}


class Deployments:
    """The endpoints of agents, versions and runs. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    @operation(
        "GET", PREFIX, {200: Answer("A page.", models.DeploymentPage), **FAULT}, query=models.DeploymentsQuery
    )
    async def list_deployments(self, request: Request) -> Response:
        """List agents.

        One for each entry of agents.yaml, in its order.
        """
        query = read_query(request, models.DeploymentsQuery)
        found: list[Found] = []
        if query.status in (None, "active"):
            found = await self._agents.all()
        elif query.status == "deleted":
            found = await self._agents.gone()
        seen = await self._engine.agents_seen()
        items = [
            show.deployment(one.agent, one.digest, seen.get(one.agent.name), active=one.active)
            for one in found
            if query.mode in (None, show.MODE[one.agent.mode])
        ]
        return answer(page_of(items, query))

    @operation("GET", DEPLOYMENT, {200: Answer("The agent.", models.Deployment), **ABSENT})
    async def get_deployment(self, request: Request) -> Response:
        """Get an agent."""
        found = await self._agents.of(request)
        seen = (await self._engine.agents_seen()).get(found.agent.name)
        return answer(show.deployment(found.agent, found.digest, seen, active=found.active))

    @operation(
        "GET", VERSIONS, {200: Answer("A page.", models.VersionPage), **ABSENT}, query=models.VersionsQuery
    )
    async def list_versions(self, request: Request) -> Response:
        """List an agent's versions, the latest first."""
        query = read_query(request, models.VersionsQuery)
        found = await self._agents.of(request)
        items = [self._version(found, stored) for stored in await self._engine.versions(found.agent.name)]
        wanted = [item for item in items if query.status in (None, item["status"])]
        return answer(page_of(wanted, query))

    @operation("GET", VERSION, {200: Answer("The version.", models.Version), **ABSENT})
    async def get_version(self, request: Request) -> Response:
        """Get a version."""
        found = await self._agents.of(request)
        return answer(self._version(found, await self._agents.version(found, request.path_params["version"])))

    def _version(self, found: Found, stored: StoredVersion) -> dict[str, Json]:
        current = found.digest if found.active else None
        agent = found.agent if stored.digest == found.digest else entry(stored)
        return show.version(stored, agent, current, self._engine.catalog.environ)

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

    @operation("GET", RUNS, {200: Answer("A page.", models.RunsPage), **ABSENT}, query=models.RunsQuery)
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
        {200: Answer("A page of a log.", models.LogPage), **ABSENT},
        query=models.LogsQuery,
    )
    async def get_run_logs(self, request: Request) -> Response:
        """Read a run's log."""
        return await log_page(self._engine, await self._run(request), request)

    @operation("GET", RUN + "/outputs", {200: Answer("The outputs.", models.Outputs), **ABSENT})
    async def get_run_outputs(self, request: Request) -> Response:
        """Get what a run left."""
        shown = await self._run(request)
        manifest = show.manifest(shown.run)
        outputs = manifest.get("outputs", [])
        return answer({"run_id": show.wire_id(shown.run), "output_manifest": manifest, "outputs": outputs})

    async def _run(self, request: Request) -> Snapshot:
        return await lookup(self._engine, await self._agents.of(request), request, Mode.RUN)


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


def _prompt(given: Mapping[str, Json], text: str) -> str:
    prompt = given.get("prompt")
    return prompt if isinstance(prompt, str) and "\0" not in prompt else text
