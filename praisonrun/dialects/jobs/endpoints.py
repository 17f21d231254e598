"""The jobs dialect (`/api/v1/runs`): PraisonAI's Async Jobs API over the engine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, Invalid, QueueFull, WrongState
from ...core.json import Json, canonical_json, dumps
from ...core.lifecycle import FINAL
from ...core.model import Mode, Reach, Snapshot, Status
from ...engine.engine import Choice, Engine, Submit
from ...store import Find, Key
from ...web.caller import caller
from ...web.fields import PROMPT_LIMIT
from ...web.idempotency import KEY
from ...web.requests import base_url, parse_object, read_body, read_query
from . import models, show

RUNS = "/api/v1/runs"
_KEY = re.compile(KEY)
_NOT_PAYLOAD = ("idempotency_key", "idempotency_scope")


class Jobs:
    """The endpoints. Each is parse, one word to the engine, show."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def submit(self, request: Request) -> Response:
        """POST /api/v1/runs: 202 once the run is on the disk."""
        given = parse_object(await request.body())
        if not isinstance(given.get("prompt"), str) or not given["prompt"]:
            raise BadRequest("prompt must be a non-empty string", field="prompt")
        body = models.Submit.model_validate(given)
        key = _key(request.headers.getlist("idempotency-key"), body)
        fingerprint = _fingerprint(given) if key else None
        try:
            shown, replayed = await self._engine.submit(_parse(body, caller(request)), key, fingerprint)
        except QueueFull as full:
            raise QueueFull("Job queue is full; retry later.", retry_after=full.retry_after or 1) from None
        answer = show.accepted(shown, base_url(request))
        headers = {"Location": answer["poll_url"], "Retry-After": "1"}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return _json(answer, 202, headers)

    async def find(self, request: Request) -> Response:
        """GET /api/v1/runs: a page, newest first."""
        query = read_query(request, models.ListQuery)
        statuses = {status.value for status in Status}
        if query.status is not None and query.status not in statuses:
            raise BadRequest(
                f"Invalid status: {query.status}. Valid values: {sorted(statuses)}", field="status"
            )
        wanted = Find(
            status=None if query.status is None else (Status(query.status),),
            session_id=query.session_id,
            agent=query.agent,
            root=query.root,
            mode=Mode(query.mode),
            page=query.page,
            page_size=query.page_size,
        )
        found, total = await self._engine.find(wanted)
        jobs = [show.status(shown) for shown in found]
        return _json({"jobs": jobs, "total": total, "page": query.page, "page_size": query.page_size})

    async def get(self, request: Request) -> Response:
        """GET …/{id}: the status object."""
        shown = await self._run(request)
        return _json(show.status(shown), headers=_poll_again(shown))

    async def result(self, request: Request) -> Response:
        """GET …/{id}/result: of every final run, failed and cancelled too."""
        shown = await self._run(request)
        if shown.run.status not in FINAL:
            raise WrongState(f"Job is not complete. Current status: {show.status_word(shown)}")
        return _json(show.result(shown, await self._engine.result(shown.run), base_url(request)))

    async def cancel(self, request: Request) -> Response:
        """POST …/{id}/cancel: the status object once the process is gone."""
        query = read_query(request, models.CancelQuery)
        run_id = request.path_params["run_id"]
        try:
            shown = await self._engine.cancel(run_id, wait=query.wait)
        except WrongState:
            shown = await self._run(request)
            raise WrongState(f"Job is already complete. Status: {show.status_word(shown)}") from None
        return _json(show.status(shown), headers=_poll_again(shown))

    async def delete(self, request: Request) -> Response:
        """DELETE …/{id}: the run and all that it left are gone."""
        try:
            await self._engine.delete(request.path_params["run_id"])
        except WrongState:
            raise WrongState("Cannot delete a running job. Cancel it first.") from None
        return Response(status_code=204)

    async def retry(self, request: Request) -> Response:
        """POST …/{id}/retry: the same once more, as a new run."""
        body = await read_body(request, models.Retry)
        shown = await self._engine.retry(request.path_params["run_id"], body.envs or {})
        answer = show.accepted(shown, base_url(request))
        return _json(answer, 202, {"Location": answer["poll_url"], "Retry-After": "1"})

    async def _run(self, request: Request) -> Snapshot:
        return await self._engine.get(request.path_params["run_id"])


def _parse(body: models.Submit, reach: Reach) -> Submit:
    if len(body.prompt.encode()) > PROMPT_LIMIT:
        raise Invalid(f"prompt is longer than {PROMPT_LIMIT} bytes", field="prompt")
    if body.agent_yaml is not None and body.agent_file is not None:
        raise Invalid("agent_file and agent_yaml both bring an agent; give one", field="agent_yaml")
    return Submit(
        Choice(_agent_name(body), body.agent_file, body.framework, body.agent_yaml),
        body.prompt,
        input=_input(body),
        session_id=body.session_id,
        timeout=body.timeout,
        priority=body.priority,
        retries=body.retries,
        envs=body.envs or {},
        metadata=body.metadata,
        webhook_url=body.webhook_url,
        webhook_reach=reach,
        retention_seconds=body.retention_seconds,
        parent=body.parent,
    )


def _agent_name(body: models.Submit) -> str | None:
    if body.agent and body.recipe_name and body.agent != body.recipe_name:
        raise Invalid("agent and recipe_name name different agents; give one", field="recipe_name")
    return body.agent or body.recipe_name


def _input(body: models.Submit) -> str | None:
    extra = {"config": body.config, "recipe_config": body.recipe_config}
    given = {name: value for name, value in extra.items() if value}
    return json.dumps({"prompt": body.prompt, **given}) if given else None


def _key(headers: list[str], body: models.Submit) -> Key | None:
    """Return the key and its scope; the header wins over the body."""
    if len(headers) > 1:
        raise BadRequest("more than one Idempotency-Key header", field="idempotency_key")
    given = headers[0] if headers else body.idempotency_key
    if given is None:
        return None
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters", field="idempotency_key")
    if body.idempotency_scope == "session" and body.session_id is not None:
        return Key(f"jobs:session:{body.session_id}", key)
    return Key("jobs", key)


def _fingerprint(given: Mapping[str, Json]) -> str:
    """Return what tells payloads apart: all but the key itself and the values of envs."""
    payload = {name: value for name, value in given.items() if name not in _NOT_PAYLOAD}
    if isinstance(payload.get("envs"), dict):
        payload["envs"] = sorted(payload["envs"])
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()


def _poll_again(shown: Snapshot) -> dict[str, str]:
    return {} if shown.run.status in FINAL else {"Retry-After": "1"}


def _json(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(body), status, headers, media_type="application/json")
