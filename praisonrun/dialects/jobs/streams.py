"""The jobs dialect's events: SSE, NDJSON, and JSON pages that can wait for news."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run
from ...engine.engine import Engine
from ...web.fields import WireModel
from ...web.operations import Answer, operation
from ...web.requests import base_url, last_event_id, read_query, wait_for
from ...web.responses import CURSOR, HEARTBEAT, HELLO, UNBUFFERED, StreamLimits, json_response, sse_stream
from ..event_stream import Cursor, EventStream
from . import events
from .models import EventsQuery
from .show import BAD_QUERY, BUSY, NOT_FOUND, RUN

PAGE = 1024 * 1024
"""Bytes of journal after which a JSON page of events ends."""


class EventPage(WireModel):
    """Some events, the cursor after them, and whether more can come."""

    events: list[dict[str, Json]]
    next: int
    done: bool


_STREAM = {
    200: Answer("Events as they happen.", "text/event-stream"),
    204: Answer("The client has everything."),
    400: Answer("The cursor names no event of this run."),
    **NOT_FOUND,
    **BAD_QUERY,
    **BUSY,
}
_PAGE = {200: Answer("Some events.", EventPage), 400: Answer("A bad cursor."), **NOT_FOUND, **BAD_QUERY}


class Streams:
    """The endpoints of events."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, heartbeat: float = HEARTBEAT) -> None:
        self._engine, self._limits, self._heartbeat = engine, limits, heartbeat
        self._events = EventStream(engine, events.JobEvents)

    @operation("GET", RUN + "/stream", _STREAM, query=EventsQuery, headers=CURSOR)
    async def stream_run(self, request: Request) -> Response:
        """Follow a run (SSE, NDJSON or JSON by Accept)."""
        accept = request.headers.get("accept", "")
        sse = "text/event-stream" in accept
        if "application/json" in accept and not sse:
            return await self.list_events(request)
        run, cursor = await self._start(request, read_query(request, EventsQuery))
        if "application/x-ndjson" in accept and not sse:
            chunks = self._events.stream(run, cursor, events.ndjson, base=base_url(request))
            lines = StreamingResponse(chunks, headers=UNBUFFERED, media_type="application/x-ndjson")
            return self._limits.limited(lines, run.id, sse=False)
        if run.status in FINAL and cursor.after == events.done_id(run):
            return Response(status_code=204)
        chunks = self._events.stream(
            run, cursor, events.sse, base=base_url(request), hello=HELLO, farewell=events.DONE
        )
        return self._limits.limited(sse_stream(chunks, heartbeat=self._heartbeat), run.id, sse=sse)

    @operation("GET", RUN + "/events", _PAGE, query=EventsQuery, headers=CURSOR)
    async def list_events(self, request: Request) -> Response:
        """Page through a run's events.

        `wait` is how many seconds to wait for the first of them. If too many streams are open, the answer
        comes at once.
        """
        query = read_query(request, EventsQuery)
        run, cursor = await self._start(request, query)
        with self._limits.admitted(run.id) as admitted, self._engine.viewers.watching(run.id):
            deadline = anyio.current_time() + (query.wait if admitted else 0)
            while True:
                bell = self._engine.bell(run.id)
                shown = await self._engine.get(run.id)
                found, done = await self._events.page(
                    shown, cursor, query.limit, base=base_url(request), size=PAGE
                )
                left = deadline - anyio.current_time()
                if found or done or left <= 0 or self._engine.journals.dismissed:
                    break
                await wait_for(request, bell, left)
        page = {
            "events": [{"id": event.id, **events.payload(event)} for event in found],
            "next": found[-1].id if found else cursor.after,
            "done": done,
        }
        return json_response(page, headers={} if done else {"Retry-After": "1"})

    async def _start(self, request: Request, query: EventsQuery) -> tuple[Run, Cursor]:
        """Return the run and the cursor, before a stream begins, so that errors have a status."""
        run = await self._engine.row(request.path_params["run_id"])
        after = last_event_id(request)
        if after is None:  # the header wins: a browser repeats the URL, and so ?after=, unchanged
            after = query.after or 0
        return run, await self._events.cursor(run, after)
