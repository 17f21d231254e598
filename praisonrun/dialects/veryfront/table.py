"""The canonical dialect's table of operations: it drives the routes and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.engine import Engine
from ...web.operations import Answer, Operation
from ...web.sse import CURSOR
from ...web.stream_limits import Slots
from . import models
from .endpoints import Canonical
from .streams import Events

ROOTS = ("runs", "projects", "conversations")
"""The first parts of this dialect's paths."""
RUN = "/runs/{run_id}"
SPOKEN = "/conversations/{conversation_id}/runs/{run_id}"
_TAG = "canonical runs"
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}


def _refused(description: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(description, models.Refused, headers or {})


_NOT_FOUND = {404: _refused("No such run.")}
_BAD = {400: _refused("A parameter or a cursor at fault; `detail` names it.")}


def operations(engine: Engine, slots: Slots | None = None) -> list[Operation]:
    """Return the dialect's operations over an engine; `slots` are the places of its streams."""
    events = Events(engine, slots=slots)
    canonical = Canonical(engine, events)
    run = Answer("The run as it is now.", models.RunShown)
    return [
        Operation(
            "POST", "/runs", "create_canonical_run", "Create a run, or let a held one start", canonical.create,
            body=models.Create, tag=_TAG, large=True,
            answers={
                202: Answer("The run is on the disk.", models.RunAccepted),
                400: _refused("Fields at fault; `detail` names each."),
                404: _refused("No such agent, or no such parent."),
                409: _refused("The public_id is another run's, or the parent was cancelled."),
                413: _refused("The body is too large."),
                415: _refused("The body is not application/json."),
                503: _refused("The queue is full.", _AGAIN),
                507: _refused("The disk is full.", _AGAIN),
            },
        ),
        Operation(
            "GET", RUN, "get_canonical_run", "Get a run", canonical.get, tag=_TAG, answers={200: run, **_NOT_FOUND},
        ),
        Operation(
            "GET", RUN + "/events", "list_canonical_events", "Page through a run's events", events.of_run,
            query=models.RunEventsQuery, tag=_TAG,
            answers={200: Answer("Some events.", models.RunEventPage), **_BAD, **_NOT_FOUND},
        ),
        Operation(
            "POST", RUN + "/cancel", "cancel_canonical_run", "Cancel a run and its descendants", canonical.cancel,
            tag=_TAG, answers={200: Answer("Whether it is cancelled.", models.Cancelled), **_NOT_FOUND},
        ),
        Operation(
            "POST", RUN + "/complete", "complete_canonical_run", "Refused: praisonrun ends its runs itself",
            canonical.complete, tag=_TAG, answers={400: _refused("Always."), **_NOT_FOUND},
        ),
        Operation(
            "GET", "/projects/{project_ref}/runs", "list_canonical_runs", "List runs, newest first", canonical.find,
            query=models.ProjectRunsQuery, tag=_TAG, answers={200: Answer("A page.", models.RunPage), **_BAD},
        ),
        Operation(
            "GET", SPOKEN, "project_canonical_run", "Get a run as its conversation sees it", canonical.project,
            tag=_TAG, answers={200: Answer("The projection.", models.Projection), **_NOT_FOUND},
        ),
        Operation(
            "GET", SPOKEN + "/events", "list_conversation_events", "Page through a run's events",
            events.of_conversation, query=models.RunEventsQuery, tag=_TAG,
            answers={200: Answer("Some events.", models.ToldPage), **_BAD, **_NOT_FOUND},
        ),
        Operation(
            "GET", SPOKEN + "/stream", "stream_canonical_run", "Follow a run (SSE)", events.stream,
            query=models.RunEventsQuery, headers=CURSOR, tag=_TAG,
            answers={
                200: Answer("Events as they happen.", "text/event-stream"),
                204: Answer("The client has everything."),
                **_BAD, **_NOT_FOUND,
            },
        ),
    ]  # fmt: skip
