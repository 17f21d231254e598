"""A run's events in the jobs dialect's words (contracts: PraisonAI jobs): SSE, NDJSON, and JSON pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import anyio
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.json import Json, dumps
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot, Status
from ...engine.engine import Engine
from ...journal.format import IDS_PER_BYTE, Frame, event_id
from ...journal.formats import Event, frame_events
from ...journal.results import Result
from ...web.operations import Answer, operation
from ...web.requests import base_url, last_event_id, read_query, wait_for
from ...web.responses import (
    CURSOR,
    HEARTBEAT,
    HELLO,
    UNBUFFERED,
    Stream,
    StreamLimits,
    json_response,
    sse_stream,
)
from ..event_stream import Cursor, EventStream
from .event_models import EventPage, JobEvent, StreamEvent
from .queries import EventsQuery
from .show import BAD_QUERY, FOLLOWED, GONE, NOT_FOUND, RUN, result_url

QUEUED_ID = event_id(0, 1)
"""The id of every run's first event."""
DONE = b"event: done\ndata: [DONE]\n\n"
"""It has a name, so that a reader of `message` events, which are agents' own, does not take it for JSON."""


class WireEvent(NamedTuple):
    """One event in the dialect's words."""

    id: int
    name: str
    fields: dict[str, Json]
    time: int
    """Microseconds since the epoch."""


class JobEvents:
    """The events of one run."""

    def __init__(self, run: Run, format_name: str) -> None:
        self._run_id, self._format, self._created = run.id, format_name, run.created_at

    def first(self) -> list[WireEvent]:
        """Return the event that opens every stream."""
        fields = {"status": "queued", "job_id": self._run_id}
        return [WireEvent(QUEUED_ID, "status", fields, self._created)]

    def prepare(self, offset: int) -> bool:  # noqa: ARG002
        """Do nothing: an event says all that is needed of itself."""
        return True

    def events(self, frames: list[Frame]) -> list[WireEvent]:
        """Return the events of some frames, without `result`: only the final row may state it."""
        return [
            WireEvent(event.id, event.name, self._fields(event), event.time)
            for frame in frames
            for event in frame_events(self._format, frame)
            if event.name != "result"
        ]

    def _fields(self, event: Event) -> dict[str, Json]:
        if event.name == "progress":
            return {"percentage": 0.0, "step": None} | event.data
        return {**event.data, "job_id": self._run_id} if event.name == "status" else event.data

    def last(self, shown: Snapshot, answer: Result, base: str) -> list[WireEvent]:
        """Return the two events that close the stream of a final run: its outcome, and `complete`."""
        run = shown.run
        outcome_id, complete_id = last_ids(run)
        name, fields = _outcome(run, answer, base)
        closing = {"status": run.status.value, "job_id": run.id}
        at = run.finished_at or run.updated_at
        return [WireEvent(outcome_id, name, fields, at), WireEvent(complete_id, "complete", closing, at)]

    def outside(self, run: Run, after: int) -> bool:
        """Say whether a cursor names an event of the row, or nothing yet."""
        return after <= QUEUED_ID or (run.journal_end is not None and after in last_ids(run))


def last_ids(run: Run) -> tuple[int, int]:
    """Return the ids of a final run's last two events."""
    assert run.journal_end is not None
    return event_id(run.journal_end, 0), event_id(run.journal_end, IDS_PER_BYTE - 1)


def _outcome(run: Run, answer: Result, base: str) -> tuple[str, dict[str, Json]]:
    match run.status:
        case Status.SUCCEEDED:
            return "result", {"result": answer.value, "result_url": result_url(run, answer, base)}
        case Status.CANCELLED:
            return "cancelled", {"message": run.error}
    return "error", {"error": run.error, "failure": run.failure, "exit_code": run.exit_code}


def payload(event: WireEvent) -> dict[str, Json]:
    """Return an event in the one form that PraisonAI's code, documentation and command line all read."""
    nested = dict(event.fields)
    if event.name == "progress":  # its reader prints any value, a null as "None"
        nested["current_step"] = nested.pop("step") or nested.get("message", "")
    return {**event.fields, "ts": iso(event.time), "event": event.name, "data": nested}


def plain(event: WireEvent) -> dict[str, Json]:
    """Return an event in the form of NDJSON and JSON pages: its fields stand in `data` alone."""
    return {"id": event.id, "ts": iso(event.time), "event": event.name, "data": event.fields}


def sse(events: Iterable[WireEvent]) -> bytes:
    """Return events as one chunk of Server-Sent Events."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), dumps(payload(event)))
        for event in events
    )


def ndjson(events: Iterable[WireEvent]) -> bytes:
    """Return events as lines of JSON."""
    return b"".join(dumps(plain(event)) + b"\n" for event in events)


_STREAM = {
    200: Answer(
        "Events as they happen: SSE without an Accept. The last SSE, `done`, has no JSON but [DONE].",
        {"text/event-stream": StreamEvent, "application/x-ndjson": JobEvent, "application/json": EventPage},
    ),
    204: Answer("The client has everything."),
    400: Answer("The cursor names no event of this run."),
    **FOLLOWED,
    **GONE,
}
_PAGE = {
    200: Answer("Some events.", EventPage),
    400: Answer("A bad cursor."),
    **NOT_FOUND,
    **GONE,
    **BAD_QUERY,
}


class Streams:
    """The endpoints."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, heartbeat: float = HEARTBEAT) -> None:
        self._engine, self._limits, self._heartbeat = engine, limits, heartbeat
        self._events = EventStream(engine, JobEvents)

    @operation("GET", RUN + "/stream", _STREAM, query=EventsQuery, headers=CURSOR)
    async def stream_run(self, request: Request) -> Response:
        """Follow a run (SSE, NDJSON or JSON by Accept)."""
        accept, base = request.headers.get("accept", ""), base_url(request)
        by_name = "text/event-stream" in accept
        if "application/json" in accept and not by_name:
            return await self.list_events(request)
        run, cursor = await self._start(request, read_query(request, EventsQuery))
        if "application/x-ndjson" in accept and not by_name:
            chunks = self._events.stream(run, cursor, ndjson, base=base)
            lines = Stream(chunks, headers=UNBUFFERED, media_type="application/x-ndjson")
            return self._limits.limited(lines, run.id, sse=False)
        if run.status in FINAL and cursor.after == last_ids(run)[-1]:
            return Response(status_code=204)
        chunks = self._events.stream(run, cursor, sse, base=base, hello=HELLO, farewell=DONE)
        return self._limits.limited(sse_stream(chunks, heartbeat=self._heartbeat), run.id, sse=by_name)

    @operation("GET", RUN + "/events", _PAGE, query=EventsQuery, headers=CURSOR)
    async def list_events(self, request: Request) -> Response:
        """Page through a run's events."""
        query, base = read_query(request, EventsQuery), base_url(request)
        run, cursor = await self._start(request, query)
        with self._limits.admitted(run.id) as admitted, self._engine.viewers.watching(run.id):
            # Where too many streams are open, the answer comes at once.
            deadline = anyio.current_time() + (query.wait if admitted else 0)
            while True:
                bell = self._engine.bell(run.id)
                shown = await self._engine.get(run.id)
                async with self._limits.catching_up:
                    found, done = await self._events.page(shown, cursor, query.limit, base=base)
                left = deadline - anyio.current_time()
                if found or done or left <= 0 or self._engine.journals.dismissed:
                    break
                await wait_for(request, bell, left)
        events = [plain(event) for event in found]
        page = {"events": events, "next": found[-1].id if found else cursor.after, "done": done}
        return json_response(page, headers={} if done else {"Retry-After": "1"})

    async def _start(self, request: Request, query: EventsQuery) -> tuple[Run, Cursor]:
        """Return the run and the cursor, before a stream begins, so that errors have a status."""
        run = await self._engine.row(request.path_params["run_id"])
        after = last_event_id(request)
        if after is None:  # the header wins: a browser repeats the URL, and so ?after=, unchanged
            after = query.after or 0
        return run, await self._events.cursor(run, after)
