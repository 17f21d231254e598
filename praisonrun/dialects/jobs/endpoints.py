"""The jobs dialect (`/api/v1/runs`): PraisonAI's Async Jobs API over the engine."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, QueueFull, WrongState
from ...core.lifecycle import FINAL
from ...core.model import Mode, Snapshot, Status
from ...engine.engine import Engine
from ...store import Find
from ...web.head import caller
from ...web.operations import Answer, Header, operation
from ...web.requests import KEY, base_url, parse_object, read_body, read_query
from ...web.responses import json_response
from . import models, schemas, show
from .answers import AGAIN, BAD_QUERY, NOT_FOUND, RUN, RUNS, WRONG_STATE
from .parse import fingerprint_of, key_of, parse_submit

STATUS = {200: Answer("The run as it is now.", schemas.JobStatus, AGAIN)}
ACCEPTED = {
    202: Answer("The run is on the disk.", schemas.Accepted, {"Location": "The run's poll URL.", **AGAIN})
}
REJECTED = {
    400: Answer("A missing or empty prompt, a malformed key, an agent_file that may not be used."),
    403: Answer("An inline agent, which is off."),
    409: Answer("The key was used for another payload."),
    413: Answer("The body is too large."),
    415: Answer("The body is not application/json."),
    422: Answer("A field at fault; `errors` names it."),
    503: Answer("The queue is full.", headers=AGAIN),
    507: Answer("The disk is full.", headers=AGAIN),
}
_KEY = {"Idempotency-Key": Header("Makes a repeated submit answer with the first one's run.", KEY)}


class Jobs:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation(
        "POST",
        RUNS,
        {**ACCEPTED, **REJECTED, 404: Answer("No such parent.")},
        body=models.Submit,
        headers=_KEY,
        large=True,
    )
    async def submit_run(self, request: Request) -> Response:
        """Submit a run."""
        given = parse_object(await request.body())
        if not isinstance(given.get("prompt"), str) or not given["prompt"]:
            raise BadRequest("prompt must be a non-empty string", field="prompt")
        body = models.Submit.model_validate(given)
        key = key_of(request.headers.getlist("idempotency-key"), body)
        fingerprint = fingerprint_of(given) if key else None
        try:
            shown, replayed = await self._engine.submit(parse_submit(body, caller(request)), key, fingerprint)
        except QueueFull as full:
            raise QueueFull("Job queue is full; retry later.", retry_after=full.retry_after or 1) from None
        answer = show.accepted(shown, base_url(request))
        headers = {"Location": answer["poll_url"], "Retry-After": "1"}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return json_response(answer, 202, headers)

    @operation(
        "GET",
        RUNS,
        {200: Answer("A page.", schemas.JobList), 400: Answer("No such status."), 422: Answer("A bad page.")},
        query=models.ListQuery,
    )
    async def list_runs(self, request: Request) -> Response:
        """List runs, newest first."""
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
        return json_response({"jobs": jobs, "total": total, "page": query.page, "page_size": query.page_size})

    @operation("GET", RUN, {**STATUS, **NOT_FOUND})
    async def get_run(self, request: Request) -> Response:
        """Poll a run."""
        shown = await self._run(request)
        return json_response(show.status(shown), headers=_poll_again(shown))

    @operation(
        "GET", RUN + "/result", {200: Answer("The result.", schemas.JobResult), **NOT_FOUND, **WRONG_STATE}
    )
    async def get_result(self, request: Request) -> Response:
        """Get a final run's result.

        Failed and cancelled runs have one, too.
        """
        shown = await self._run(request)
        if shown.run.status not in FINAL:
            raise WrongState(f"Job is not complete. Current status: {show.status_word(shown)}")
        return json_response(
            show.result(shown, await self._engine.journals.result(shown.run), base_url(request))
        )

    @operation(
        "POST",
        RUN + "/cancel",
        {**STATUS, **NOT_FOUND, **WRONG_STATE, **BAD_QUERY},
        query=models.CancelQuery,
    )
    async def cancel_run(self, request: Request) -> Response:
        """Cancel a run.

        Answers once the process is gone, unless `wait` says otherwise.
        """
        query = read_query(request, models.CancelQuery)
        run_id = request.path_params["run_id"]
        try:
            shown = await self._engine.cancel(run_id, wait=query.wait)
        except WrongState:
            shown = await self._run(request)
            raise WrongState(f"Job is already complete. Status: {show.status_word(shown)}") from None
        return json_response(show.status(shown), headers=_poll_again(shown))

    @operation("DELETE", RUN, {204: Answer("It is gone."), **NOT_FOUND, **WRONG_STATE})
    async def delete_run(self, request: Request) -> Response:
        """Delete a final run and its output."""
        try:
            await self._engine.delete(request.path_params["run_id"])
        except WrongState:
            raise WrongState("Cannot delete a running job. Cancel it first.") from None
        return Response(status_code=204)

    @operation("POST", RUN + "/retry", {**ACCEPTED, **REJECTED, **NOT_FOUND}, body=models.Retry)
    async def retry_run(self, request: Request) -> Response:
        """Submit a final run once more.

        The retry is a new run that names its origin.
        """
        body = await read_body(request, models.Retry)
        shown = await self._engine.retry(request.path_params["run_id"], body.envs or {})
        answer = show.accepted(shown, base_url(request))
        return json_response(answer, 202, {"Location": answer["poll_url"], "Retry-After": "1"})

    async def _run(self, request: Request) -> Snapshot:
        return await self._engine.get(request.path_params["run_id"])


def _poll_again(shown: Snapshot) -> dict[str, str]:
    return {} if shown.run.status in FINAL else {"Retry-After": "1"}
