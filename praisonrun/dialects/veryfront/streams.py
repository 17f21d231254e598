"""The Veryfront dialect's events: JSON pages, and a stream that resumes at any event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.errors import RunNotFound
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot
from ...engine.engine import Engine
from ...journal.format import HEAD_SIZE, event_id
from ...web.operations import Answer, operation
from ...web.requests import last_event_id, read_query
from ...web.responses import CURSOR, HEARTBEAT, HELLO, StreamLimits, json_response, sse_stream
from ..event_stream import EventStream
from . import schemas, show
from .errors import BAD, NOT_FOUND
from .events import RunEvents, WireEvent, last_id
from .events import sse as encode
from .models import RunEventsQuery

RUN = "/runs/{run_id}"
SPOKEN = "/conversations/{conversation_id}/runs/{run_id}"
Form: TypeAlias = Callable[[WireEvent], dict[str, Json]]


class Events:
    """The endpoints of events, and the projection's latest event."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, heartbeat: float = HEARTBEAT) -> None:
        self._engine, self._limits, self._heartbeat = engine, limits, heartbeat
        self._events = EventStream(engine, self._renderer, span=HEAD_SIZE)

    def _renderer(self, run: Run, format_name: str) -> RunEvents:
        return RunEvents(run, format_name, lambda: self._engine.files.reader(run.id))

    @operation(
        "GET",
        RUN + "/events",
        {200: Answer("Some events.", schemas.RunEventPage), **BAD, **NOT_FOUND},
        query=RunEventsQuery,
    )
    async def list_canonical_events(self, request: Request) -> Response:
        """Page through a run's events."""
        shown = await self._engine.get(request.path_params["run_id"])
        return await self._page(request, shown, _listed)

    @operation(
        "GET",
        SPOKEN + "/events",
        {200: Answer("Some events.", schemas.ToldPage), **BAD, **NOT_FOUND},
        query=RunEventsQuery,
    )
    async def list_conversation_events(self, request: Request) -> Response:
        """Page through a run's events.

        They have AG-UI's own form.
        """
        return await self._page(request, await in_conversation(self._engine, request), _in_conversation)

    @operation(
        "GET",
        SPOKEN + "/stream",
        {
            200: Answer("Events as they happen.", "text/event-stream"),
            204: Answer("The client has everything."),
            **BAD,
            **NOT_FOUND,
        },
        query=RunEventsQuery,
        headers=CURSOR,
    )
    async def stream_canonical_run(self, request: Request) -> Response:
        """Follow a run (SSE)."""
        run = (await in_conversation(self._engine, request)).run
        query, after = read_query(request, RunEventsQuery), last_event_id(request)
        if after is None:
            after = query.after_event_id or 0
        if run.status in FINAL and after == last_id(run):
            return Response(status_code=204)
        chunks = self._events.stream(run, await self._events.cursor(run, after), encode, hello=HELLO)
        return self._limits.limited(sse_stream(chunks, heartbeat=self._heartbeat), run.id, sse=True)

    async def latest(self, run: Run) -> int:
        """Return the id of a run's latest event, 0 before the first."""
        if run.status in FINAL:
            return last_id(run)
        offset = await self._engine.journals.last_frame(run.id)
        if offset is None:
            return 0
        found = await self._events.at(run, offset)
        return found[-1].id if found else event_id(offset, 0)

    async def _page(self, request: Request, shown: Snapshot, form: Form) -> Response:
        query = read_query(request, RunEventsQuery)
        cursor = await self._events.cursor(shown.run, query.after_event_id or 0)
        found, _ = await self._events.page(shown, cursor, query.limit + 1)
        events, more = found[: query.limit], len(found) > query.limit
        this = None if query.after_event_id is None else str(cursor.after)
        info = show.page_info(this, str(events[-1].id) if more else None)
        return json_response({"data": [form(event) for event in events], "page_info": info})


async def in_conversation(engine: Engine, request: Request) -> Snapshot:
    """Return the run that a conversation's path names. Raises NotFound if it has another one."""
    run_id, conversation = request.path_params["run_id"], request.path_params["conversation_id"]
    shown = await engine.get(run_id)
    if conversation.lower() not in map(str.lower, show.conversations(shown.run)):
        raise RunNotFound(run_id)
    return shown


def _listed(event: WireEvent) -> dict[str, Json]:
    return {
        "event_id": event.id,
        "event_type": event.type,
        "payload": event.payload,
        "created_at": iso(event.time),
    }


def _in_conversation(event: WireEvent) -> dict[str, Json]:
    return {"event_id": event.id, "event": {"type": event.type, **event.payload}}
