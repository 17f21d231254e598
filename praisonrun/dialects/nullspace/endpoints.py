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
from ...web.requests import parse_object, read_body, read_query
from . import models, show
from .agents import Agents, Found, chosen, entry, lookup, version_wanted
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


class Deployments:
    """The endpoints of agents, versions and runs. Each is parse, one word to the engine, show."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    async def find(self, request: Request) -> Response:
        """GET /v1/agent-deployments: one for each entry of agents.yaml, in its order."""
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

    async def get(self, request: Request) -> Response:
        """GET …/{deployment}."""
        found = await self._agents.of(request)
        seen = (await self._engine.agents_seen()).get(found.agent.name)
        return answer(show.deployment(found.agent, found.digest, seen, active=found.active))

    async def versions(self, request: Request) -> Response:
        """GET …/versions: the latest first."""
        query = read_query(request, models.VersionsQuery)
        found = await self._agents.of(request)
        items = [self._version(found, stored) for stored in await self._engine.versions(found.agent.name)]
        wanted = [item for item in items if query.status in (None, item["status"])]
        return answer(page_of(wanted, query))

    async def version(self, request: Request) -> Response:
        """GET …/versions/{version}."""
        found = await self._agents.of(request)
        return answer(self._version(found, await self._agents.version(found, request.path_params["version"])))

    def _version(self, found: Found, stored: StoredVersion) -> dict[str, Json]:
        current = found.digest if found.active else None
        agent = found.agent if stored.digest == found.digest else entry(stored)
        return show.version(stored, agent, current, self._engine.catalog.environ)

    async def submit(self, request: Request) -> Response:
        """POST …/runs: 201 once the run is on the disk."""
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

    async def find_runs(self, request: Request) -> Response:
        """GET …/runs: newest first."""
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

    async def get_run(self, request: Request) -> Response:
        """GET …/runs/{run}."""
        return answer(show.run(await self._run(request)))

    async def cancel(self, request: Request) -> Response:
        """POST …/runs/{run}/cancel: the run once its process is gone; a cancelled one as it is."""
        body = await read_body(request, models.Cancel)
        shown = await self._run(request)
        if shown.run.status is not Status.CANCELLED:
            try:
                await self._engine.cancel(shown.run.id, body.reason)
            except WrongState:
                ended = show.run_word(await self._run(request))
                raise WrongState(f"run {request.path_params['run']} has {ended} already") from None
        return answer(show.run(await self._run(request)))

    async def logs(self, request: Request) -> Response:
        """GET …/runs/{run}/logs."""
        return await log_page(self._engine, await self._run(request), request)

    async def outputs(self, request: Request) -> Response:
        """GET …/runs/{run}/outputs."""
        shown = await self._run(request)
        manifest = show.manifest(shown.run)
        outputs = manifest.get("outputs", [])
        return answer({"run_id": show.wire_id(shown.run), "output_manifest": manifest, "outputs": outputs})

    async def refuse(self, _request: Request) -> Response:
        """POST, PATCH, PUT, DELETE of what agents.yaml says."""
        raise NotImplementedHere("agents.yaml is the source of truth here: edit it, and it is read again")

    async def _run(self, request: Request) -> Snapshot:
        return await lookup(self._engine, await self._agents.of(request), request, Mode.RUN)


def _prompt(given: Mapping[str, Json], text: str) -> str:
    prompt = given.get("prompt")
    return prompt if isinstance(prompt, str) and "\0" not in prompt else text
