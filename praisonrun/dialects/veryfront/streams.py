"""A run's events as JSON pages and as a resumable stream; a run as its conversation sees it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.errors import RunNotFound
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot
from ...engine.engine import Engine
from ...journal.format import HEAD_SIZE, event_id
from ...web.operations import Answer, operation
from ...web.requests import last_event_id, read_query
from ...web.responses import CURSOR, HEARTBEAT, HELLO, StreamLimits, json_response, sse_stream
from ..event_stream import EventStream
from . import show
from .event_models import StreamedPayload
from .events import RunEvents, WireEvent, last_id
from .events import sse as encode
from .models import EventsQuery
from .schemas import BAD, NOT_FOUND, EventShownPage, Projection, Refused, ToldPage

RUN = "/runs/{run_id}"
SPOKEN = "/conversations/{conversation_id}/runs/{run_id}"
_FAULTS = {**BAD, **NOT_FOUND, 410: Answer("Its files are gone.", Refused)}
_PAGE = {200: Answer("Some events.", EventShownPage), **_FAULTS}


class Events:
    """The endpoints of events and conversations."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, heartbeat: float = HEARTBEAT) -> None:
        self._engine, self._limits, self._heartbeat = engine, limits, heartbeat
        self._events = EventStream(engine, self._renderer, span=HEAD_SIZE)

    @operation("GET", RUN + "/events", _PAGE, query=EventsQuery, heavy=True)
    async def list_canonical_events(self, request: Request) -> Response:
        """Page through a run's events."""
        events, *cursors = await self._page(request, await self._engine.get(request.path_params["run_id"]))
        data = [
            {"event_id": number, "event_type": kind, "payload": payload, "created_at": iso(time)}
            for number, kind, payload, time in events
        ]
        return json_response(show.page(data, *cursors))

    @operation("GET", SPOKEN, {200: Answer("The projection.", Projection), **NOT_FOUND})
    async def project_canonical_run(self, request: Request) -> Response:
        """Get a run as its conversation sees it."""
        shown = await self._spoken(request)
        return json_response(show.projection(shown, await self._latest(shown.run)))

    @operation(
        "GET", SPOKEN + "/events", {200: Answer("Some events.", ToldPage), **_FAULTS}, query=EventsQuery
    )
    async def list_conversation_events(self, request: Request) -> Response:
        """Page through a run's events in AG-UI's own form."""
        events, *cursors = await self._page(request, await self._spoken(request))
        data = [{"event_id": event.id, "event": {"type": event.type, **event.payload}} for event in events]
        return json_response(show.page(data, *cursors))

    @operation(
        "GET",
        SPOKEN + "/stream",
        {
            200: Answer("Events as they happen.", {"text/event-stream": StreamedPayload}),
            204: Answer("The client has everything."),
            **_FAULTS,
        },
        query=EventsQuery,
        headers=CURSOR,
    )
    async def stream_canonical_run(self, request: Request) -> Response:
        """Follow a run (SSE)."""
        run = (await self._spoken(request)).run
        query, after = read_query(request, EventsQuery), last_event_id(request)
        if after is None:
            after = query.after_event_id or 0
        if run.status in FINAL and after == last_id(run):
            return Response(status_code=204)
        chunks = self._events.stream(run, await self._events.cursor(run, after), encode, hello=HELLO)
        return self._limits.limited(sse_stream(chunks, heartbeat=self._heartbeat), run.id, sse=True)

    def _renderer(self, run: Run, format_name: str) -> RunEvents:
        return RunEvents(run, format_name, lambda: self._engine.files.reader(run.id))

    async def _latest(self, run: Run) -> int:
        """Return the id of a run's latest event, 0 before the first."""
        if run.status in FINAL:
            return last_id(run)
        offset = await self._engine.journals.last_frame(run.id)
        if offset is None:
            return 0
        found = await self._events.at(run, offset)
        return found[-1].id if found else event_id(offset, 0)

    async def _page(
        self, request: Request, shown: Snapshot
    ) -> tuple[list[WireEvent], str | None, str | None]:
        """Return a page's events, its cursor, and the next page's."""
        query = read_query(request, EventsQuery)
        cursor = await self._events.cursor(shown.run, query.after_event_id or 0)
        found, done = await self._events.page(shown, cursor, query.limit + 1)
        events, more = found[: query.limit], len(found) > query.limit
        more |= shown.run.status in FINAL and not done  # the events are large
        this = None if query.after_event_id is None else str(query.after_event_id)
        return events, this, str(events[-1].id) if more else None

    async def _spoken(self, request: Request) -> Snapshot:
        """Return the run that a conversation's path names. Raises NotFound if it has another one."""
        run_id, conversation = request.path_params["run_id"], request.path_params["conversation_id"]
        shown = await self._engine.get(run_id)
        if conversation.lower() not in map(str.lower, show.conversations(shown.run)):
            raise RunNotFound(run_id)
        return shown
