"""The jobs dialect's table of operations: it drives the routes and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.engine import Engine
from ...web.idempotency import KEY
from ...web.operations import Answer, Header, Operation
from ...web.sse import CURSOR
from ...web.stream_limits import Slots
from . import deliveries, models
from .artifacts import Artifacts
from .endpoints import RUNS, Jobs
from .streams import Streams

RUN = RUNS + "/{run_id}"
_KEY = {"Idempotency-Key": Header("Makes a repeated submit answer with the first one's run.", KEY)}
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
_PLACED = {"Location": "The run's poll URL.", **_AGAIN}
_BUSY = {503: Answer("Too many streams are open.", headers=_AGAIN)}
_NOT_FOUND = {404: Answer("No such run.")}
_QUERY = {422: Answer("A query parameter at fault; `errors` names it.")}
_WRONG = {409: Answer("The run's status does not allow it.")}
_REFUSED: Mapping[int, Answer] = {
    400: Answer("A missing or empty prompt, a malformed key, an agent_file that may not be used."),
    403: Answer("An inline agent, which is off."),
    409: Answer("The key was used for another payload."),
    413: Answer("The body is too large."),
    415: Answer("The body is not application/json."),
    422: Answer("A field at fault; `errors` names it."),
    503: Answer("The queue is full.", headers=_AGAIN),
    507: Answer("The disk is full.", headers=_AGAIN),
}


def operations(engine: Engine, slots: Slots | None = None) -> list[Operation]:
    """Return the dialect's operations over an engine; `slots` are the places of its streams."""
    jobs, streams, artifacts = Jobs(engine), Streams(engine, slots=slots), Artifacts(engine)
    status = Answer("The run as it is now.", models.JobStatus, _AGAIN)
    accepted = Answer("The run is on the disk.", models.Accepted, _PLACED)
    return [
        Operation(
            "POST", RUNS, "submit_run", "Submit a run", jobs.submit,
            body=models.Submit, answers={202: accepted, **_REFUSED, 404: Answer("No such parent.")}, headers=_KEY, large=True,
        ),
        Operation(
            "GET", RUNS, "list_runs", "List runs, newest first", jobs.find,
            query=models.ListQuery,
            answers={200: Answer("A page.", models.JobList), 400: Answer("No such status."), 422: Answer("A bad page.")},
        ),
        Operation("GET", RUN, "get_run", "Poll a run", jobs.get, answers={200: status, **_NOT_FOUND}),
        Operation(
            "GET", RUN + "/result", "get_result", "Get a final run's result", jobs.result,
            answers={200: Answer("The result.", models.JobResult), **_NOT_FOUND, **_WRONG},
        ),
        Operation(
            "POST", RUN + "/cancel", "cancel_run", "Cancel a run", jobs.cancel,
            query=models.CancelQuery, answers={200: status, **_NOT_FOUND, **_WRONG, **_QUERY},
        ),
        Operation(
            "DELETE", RUN, "delete_run", "Delete a final run and its output", jobs.delete,
            answers={204: Answer("It is gone."), **_NOT_FOUND, **_WRONG},
        ),
        Operation(
            "POST", RUN + "/retry", "retry_run", "Submit a final run once more", jobs.retry,
            body=models.Retry, answers={202: accepted, **_REFUSED, **_NOT_FOUND},
        ),
        Operation(
            "GET", RUN + "/stream", "stream_run", "Follow a run (SSE, NDJSON or JSON by Accept)", streams.stream,
            query=models.EventsQuery, headers=CURSOR,
            answers={
                200: Answer("Events as they happen.", "text/event-stream"),
                204: Answer("The client has everything."),
                400: Answer("The cursor names no event of this run."),
                **_NOT_FOUND, **_QUERY, **_BUSY,
            },
        ),
        Operation(
            "GET", RUN + "/events", "list_events", "Page through a run's events", streams.events,
            query=models.EventsQuery, headers=CURSOR,
            answers={200: Answer("Some events.", models.EventPage), 400: Answer("A bad cursor."), **_NOT_FOUND, **_QUERY},
        ),
        Operation(
            "GET", RUN + "/logs", "get_logs", "Read a run's output", streams.logs,
            query=models.LogsQuery, answers={200: Answer("What it printed.", "text/plain"), **_NOT_FOUND, **_QUERY, **_BUSY},
        ),
        Operation(
            "GET", RUN + "/artifacts", "list_artifacts", "List the files that a run left", artifacts.find,
            answers={200: Answer("The files.", models.ArtifactList), **_NOT_FOUND},
        ),
        Operation(
            "GET", RUN + "/artifacts/{path:path}", "get_artifact", "Download a file that a run left", artifacts.get,
            answers={200: Answer("The file, as an attachment.", "application/octet-stream"), **_NOT_FOUND},
        ),
        *deliveries.operations(engine),
    ]  # fmt: skip
