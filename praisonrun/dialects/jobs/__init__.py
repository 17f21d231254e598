"""The jobs dialect (`/api/v1/runs`): PraisonAI's Async Jobs API over the engine."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, Invalid, QueueFull, RunNotFound, WrongState
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Mode, Snapshot
from ...engine.engine import Engine
from ...journal.results import Result
from ...store import Find
from ...web.errors import STATUSES, problem
from ...web.fields import WireModel
from ...web.head import caller
from ...web.operations import Answer, Dialect, Header, operation, operations
from ...web.requests import KEY, base_url, parse_object, read_query
from ...web.responses import StreamLimits, json_around, json_response
from . import models, show
from .events import Streams
from .feed import Feed
from .feed_cursor import place, store_of
from .feed_models import CURSOR
from .ids import Ids
from .output import Output
from .show import AGAIN, BAD_QUERY, NOT_FOUND, RUN, RUNS, WRONG_STATE
from .webhooks import Deliveries

_SUBMITTED = {
    202: Answer("The run is on the disk.", show.Accepted, {"Location": "The run's poll URL.", **AGAIN}),
    400: Answer("A missing or empty prompt, a malformed key, an agent_file that may not be used."),
    403: Answer("An inline agent, which is off."),
    404: Answer("No such parent."),
    409: Answer("The key was used for another payload."),
    413: Answer("The body is too large."),
    415: Answer("The body is not application/json."),
    422: Answer("A field at fault; `errors` names it."),
    503: Answer("The queue is full.", headers=AGAIN),
    507: Answer("The disk is full.", headers=AGAIN),
}
_LIST = {
    200: Answer("A page.", show.JobList, CURSOR),
    400: Answer("No such status."),
    422: Answer("A bad page."),
}
_STATUS = {200: Answer("The run as it is now.", show.JobStatus, AGAIN), **NOT_FOUND}
_POLLED = {200: Answer("The run as it is now.", show.Job, AGAIN), **NOT_FOUND}
_RESULT = {200: Answer("The result.", show.JobResult), **NOT_FOUND, **WRONG_STATE}
_KEY = {"Idempotency-Key": Header("Makes a repeated submit answer with the first one's run.", KEY)}


def dialect(engine: Engine, limits: StreamLimits, *shared: object) -> Dialect:
    """Return the dialect over an engine; `shared` are objects that serve paths of no dialect."""
    streams = Streams(engine, limits), Feed(engine, limits), Output(engine, limits)
    own = (Jobs(engine), Ids(engine), *streams, Deliveries(engine))
    return Dialect((), operations(*own, *shared), STATUSES, render)


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return a problem; a missing run is a job here (contracts: PraisonAI jobs)."""
    if isinstance(error, RunNotFound):
        detail = f"Job not found: {error.run_id}"
    return problem(status, detail, headers, error)


class Jobs:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("POST", RUNS, _SUBMITTED, body=models.Submit, headers=_KEY, large=True)
    async def submit_run(self, request: Request) -> Response:
        """Submit a run."""
        given = parse_object(await request.body())
        if not isinstance(given.get("prompt"), str) or not given["prompt"]:
            raise BadRequest("prompt must be a non-empty string", field="prompt")
        body = models.Submit.model_validate(given)
        warnings = _warnings(request, given, models.Submit)
        key = models.key_of(request.headers.getlist("idempotency-key"), body, given)
        ask = models.parse_submit(body, caller(request))
        try:
            shown, replayed = await self._engine.submit(ask, key)
        except QueueFull as full:
            raise QueueFull("Job queue is full; retry later.", retry_after=full.retry_after or 1) from None
        return _accepted(request, shown, warnings, replayed=replayed)

    @operation("GET", RUNS, _LIST, query=models.ListQuery, heavy=True)
    async def list_runs(self, request: Request) -> Response:
        """List runs, newest first."""
        query = read_query(request, models.ListQuery)
        wanted = Find(
            status=None if query.status is None else models.statuses_of(query.status),
            session_id=query.session_id,
            agent=query.agent,
            root=query.root,
            mode=Mode(query.mode),
            page=query.page,
            page_size=query.page_size,
        )
        cursor = place(store_of(self._engine.store.id), await self._engine.feed.now())  # before it is read
        found, total = await self._engine.find(wanted)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        body = {"jobs": [show.status(shown) for shown in found], **page}
        return json_response(body, headers={"Praisonrun-Cursor": cursor})

    @operation("GET", RUN, _POLLED)
    async def get_run(self, request: Request) -> Response:
        """Poll a run. It comes with its prompt, which lists leave out."""
        shown = await self._engine.get_prompted(request.path_params["run_id"])
        return _polled(shown, prompt=shown.run.prompt)

    @operation("GET", RUN + "/result", _RESULT, heavy=True)
    async def get_result(self, request: Request) -> Response:
        """Get a final run's result."""
        shown = await self._engine.get(request.path_params["run_id"])
        if shown.run.status not in FINAL:
            raise WrongState(f"Job is not complete. Current status: {shown.visible_status}")
        large = await self._engine.large_results.of(shown.run)
        if large is not None:
            body = show.result(shown, Result(None), base_url(request))
            copied = self._engine.large_results.copy(shown.run, large)
            return json_around(body, "result", large.length, copied)
        answer = await self._engine.journals.result(shown.run)
        return json_response(show.result(shown, answer, base_url(request)))

    @operation("POST", RUN + "/cancel", {**_STATUS, **WRONG_STATE, **BAD_QUERY}, query=models.CancelQuery)
    async def cancel_run(self, request: Request) -> Response:
        """Cancel a run."""
        query = read_query(request, models.CancelQuery)
        try:
            return _polled(await self._engine.cancel(request.path_params["run_id"], wait=query.wait))
        except WrongState:
            shown = await self._engine.get(request.path_params["run_id"])
            raise WrongState(f"Job is already complete. Status: {shown.visible_status}") from None

    @operation("DELETE", RUN, {204: Answer("It is gone."), **NOT_FOUND, **WRONG_STATE})
    async def delete_run(self, request: Request) -> Response:
        """Delete a final run and its output."""
        try:
            await self._engine.delete(request.path_params["run_id"])
        except WrongState:
            raise WrongState("Cannot delete a running job. Cancel it first.") from None
        return Response(status_code=204)

    @operation("POST", RUN + "/retry", {**_SUBMITTED, **NOT_FOUND}, body=models.Retry)
    async def retry_run(self, request: Request) -> Response:
        """Submit a final run once more."""
        given = parse_object(await request.body() or b"{}")
        body, warnings = models.Retry.model_validate(given), _warnings(request, given, models.Retry)
        shown = await self._engine.retry(request.path_params["run_id"], body.envs or {})
        return _accepted(request, shown, warnings)


def _warnings(request: Request, given: Mapping[str, Json], model: type[WireModel]) -> list[str]:
    """Return what a body's unknown fields are answered with. Raises Invalid if the client wants that."""
    warnings = models.unknown_fields(given, model)
    if warnings and "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower():
        raise Invalid(warnings[0].replace(" and was ignored", ""), field="body")
    return warnings


def _accepted(request: Request, shown: Snapshot, warnings: list[str], *, replayed: bool = False) -> Response:
    answer = show.accepted(shown, base_url(request), warnings)
    again = {"Idempotency-Replayed": "true"} if replayed else {}
    return json_response(answer, 202, {"Location": answer["poll_url"], "Retry-After": "1", **again})


def _polled(shown: Snapshot, **more: Json) -> Response:
    later = {} if shown.run.status in FINAL else {"Retry-After": "1"}
    return json_response({**show.status(shown), **more}, headers=later)
