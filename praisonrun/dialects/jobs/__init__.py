"""The jobs dialect (`/api/v1/runs`): PraisonAI's Async Jobs API over the engine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, QueueFull, RunNotFound, WrongState
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Snapshot
from ...engine.engine import Engine
from ...engine.pulse import EVERY
from ...journal.results import Result
from ...web.errors import STATUSES, problem
from ...web.fields import WireModel
from ...web.head import caller
from ...web.operations import Answer, Dialect, Header, operation, operations
from ...web.requests import KEY, base_url, parse_object, read_query, wait_for
from ...web.responses import (
    ETAG,
    IF_NONE_MATCH,
    UNCHANGED,
    StreamLimits,
    json_around,
    json_response,
    unless_known,
)
from . import models, show
from .activity import Activity
from .artifacts import Artifacts
from .events import Streams
from .feed import Feed
from .ids import Ids
from .lists import Lists
from .logs import Logs
from .queries import CancelQuery, PollQuery
from .questions import Questions
from .queue import Queue
from .show import AGAIN, BAD_QUERY, NOT_FOUND, RUN, RUNS, WRONG_STATE
from .usage import Usage
from .webhooks import Deliveries

_SUBMITTED = {
    202: Answer("The run is on the disk.", show.Accepted, {"Location": "The run's poll URL.", **AGAIN}),
    400: Answer("A missing or empty prompt, a malformed key, an agent_file that may not be used."),
    403: Answer("An inline agent, which is off."),
    404: Answer("No such parent."),
    409: Answer("The key was used for another payload; or it would wait for a run that waits for it."),
    413: Answer("The body is too large."),
    415: Answer("The body is not application/json."),
    422: Answer("A field at fault; `errors` names it."),
    503: Answer("The queue is full.", headers=AGAIN),
    507: Answer("The disk is full.", headers=AGAIN),
}
_STATUS = {200: Answer("The run as it is now.", show.JobStatus, AGAIN), **NOT_FOUND}
_POLLED = {
    200: Answer("The run as it is now.", show.Job, {**AGAIN, **ETAG}),
    **UNCHANGED,
    **NOT_FOUND,
    **BAD_QUERY,
}
_RESULT = {200: Answer("The result.", show.JobResult), **NOT_FOUND, **WRONG_STATE}
_SEGMENTS = {
    "word": "A run's id, its last 4 or more characters, or @, @2, …",
    "run_id": "The run's id.",
    "ask_id": "Which of its questions.",
    "path": "A file's place among the run's artifacts.",
    "delivery_id": "A delivery's id: its webhook-id.",
}
_KEY = {"Idempotency-Key": Header("Makes a repeated submit answer with the first one's run.", KEY)}


def dialect(engine: Engine, limits: StreamLimits, *shared: object) -> Dialect:
    """Return the dialect over an engine; `shared` are objects that serve paths of no dialect."""
    own = (
        Lists(engine),
        Activity(engine),
        Usage(engine),
        Jobs(engine, limits),
        Ids(engine),
        Streams(engine, limits),
        Feed(engine, limits),
        Logs(engine, limits),
        Artifacts(engine),
        Deliveries(engine),
        Queue(engine),
        Questions(engine),
    )
    return Dialect((), operations(*own, *shared, **_SEGMENTS), STATUSES, render)


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return a problem; a missing run is a job here (contracts: PraisonAI jobs)."""
    if isinstance(error, RunNotFound):
        detail = f"Job not found: {error.run_id}"
    return problem(status, detail, headers, error)


class Jobs:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, look: float = EVERY) -> None:
        """`look` is the seconds between two looks at the progress of a run that a client waits for."""
        self._engine, self._limits, self._look = engine, limits, look

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

    @operation("GET", RUN, _POLLED, query=PollQuery, headers=IF_NONE_MATCH)
    async def get_run(self, request: Request) -> Response:
        """Poll a run. It comes with its prompt, which lists leave out."""
        wait, run_id = read_query(request, PollQuery).wait, request.path_params["run_id"]
        with self._limits.admitted(run_id) if wait else nullcontext(False) as admitted:
            # Where too many streams are open, the answer comes at once.
            return await self._news(request, run_id, wait if admitted else 0)

    async def _news(self, request: Request, run_id: str, wait: float) -> Response:
        """Answer once a run is not as the client knows it, or is final, or `wait` seconds have passed.

        A client that names no ETag knows the status of now. One that does hears of progress, too, which
        nothing rings for: it is looked at now and then.
        """
        deadline, tagged, first = anyio.current_time() + wait, "if-none-match" in request.headers, None
        while True:
            bell = self._engine.bell(run_id)
            shown = await self._engine.get_prompted(run_id)
            status, left = shown.visible_status, deadline - anyio.current_time()
            first = first or status
            over = shown.run.status in FINAL or left <= 0 or self._engine.journals.dismissed
            if over or tagged or status is not first:
                answer = unless_known(request, show.job(shown), _later(shown))
                if over or answer.status_code != 304:
                    return answer
                del answer
            del shown  # a prompt may be large
            await wait_for(request, bell, min(left, self._look) if tagged else left)

    @operation("GET", RUN + "/result", _RESULT, heavy=True)
    async def get_result(self, request: Request) -> Response:
        """Get a finished run's result."""
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

    @operation("POST", RUN + "/cancel", {**_STATUS, **WRONG_STATE, **BAD_QUERY}, query=CancelQuery)
    async def cancel_run(self, request: Request) -> Response:
        """Cancel a run."""
        query = read_query(request, CancelQuery)
        try:
            shown = await self._engine.cancel(request.path_params["run_id"], wait=query.wait)
        except WrongState:
            shown = await self._engine.get(request.path_params["run_id"])
            raise WrongState(f"Job is already complete. Status: {shown.visible_status}") from None
        return json_response(show.status(shown), headers=_later(shown))

    @operation("DELETE", RUN, {204: Answer("It is gone."), **NOT_FOUND, **WRONG_STATE})
    async def delete_run(self, request: Request) -> Response:
        """Delete a finished run and its output."""
        try:
            await self._engine.delete(request.path_params["run_id"])
        except WrongState:
            raise WrongState("Cannot delete a running job. Cancel it first.") from None
        return Response(status_code=204)

    @operation(
        "POST", RUN + "/retry", {**_SUBMITTED, **NOT_FOUND}, body=models.Retry, headers=_KEY, large=True
    )
    async def retry_run(self, request: Request) -> Response:
        """Submit a finished run once more."""
        given, run_id = parse_object(await request.body() or b"{}"), request.path_params["run_id"]
        body, warnings = models.Retry.model_validate(given), _warnings(request, given, models.Retry)
        key = models.retry_key(request.headers.getlist("idempotency-key"), run_id, given)
        change = partial(models.reworded, prompt=body.prompt) if body.prompt is not None else None
        shown, replayed = await self._engine.retry(run_id, body.envs or {}, key, change)
        return _accepted(request, shown, warnings, replayed=replayed)


def _warnings(request: Request, given: Mapping[str, Json], model: type[WireModel]) -> list[str]:
    """Return what a body's unknown fields are answered with. Raises Invalid if the client wants that."""
    warnings = models.unknown_fields(given, model)
    if warnings and "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower():
        models.check_known(given, model, "body")
    return warnings


def _accepted(request: Request, shown: Snapshot, warnings: list[str], *, replayed: bool = False) -> Response:
    answer = show.accepted(shown, base_url(request), warnings)
    again = {"Idempotency-Replayed": "true"} if replayed else {}
    return json_response(answer, 202, {"Location": answer["poll_url"], "Retry-After": "1", **again})


def _later(shown: Snapshot) -> dict[str, str]:
    return {} if shown.run.status in FINAL else {"Retry-After": "1"}
