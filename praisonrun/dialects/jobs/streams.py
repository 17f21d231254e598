"""The jobs dialect's streams: SSE, NDJSON, JSON pages and plain logs over one engine.follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, nullcontext

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...core.errors import NotFound
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot
from ...engine.engine import Engine, check_cursor
from ...engine.follow import Rendering
from ...journal import format as journal
from ...journal.format import START, Frame, Kind
from ...journal.formats import frame_events
from ...journal.results import last_lines
from ...web.operations import Answer, operation
from ...web.requests import base_url, read_query
from ...web.responses import json_response
from ...web.sse import CURSOR, HEARTBEAT, HELLO, UNBUFFERED, last_event_id
from ...web.sse import stream as sse_stream
from ...web.stream_limits import Slots
from . import show
from .answers import BAD_QUERY, BUSY, NOT_FOUND, RUN
from .models import EventPage, EventsQuery, LogsQuery

_OUTPUT = {
    None: frozenset({Kind.STDOUT, Kind.STDERR}),
    "stdout": frozenset({Kind.STDOUT}),
    "stderr": frozenset({Kind.STDERR}),
}
PAGE = 1024 * 1024
"""Bytes of journal after which a JSON page of events ends."""
Encode = Callable[[Iterable[show.Told]], bytes]


class Streams:
    """The stream, events and logs endpoints."""

    def __init__(
        self,
        engine: Engine,
        *,
        heartbeat: float = HEARTBEAT,
        slots: Slots | None = None,
    ) -> None:
        self._engine, self._heartbeat = engine, heartbeat
        self._slots = slots or Slots()
        self._renderings: dict[tuple[Encode, str], Rendering] = {}
        self._logs = {kinds: Rendering(_printer(kinds)) for kinds in _OUTPUT.values()}

    @operation(
        "GET",
        RUN + "/stream",
        {
            200: Answer("Events as they happen.", "text/event-stream"),
            204: Answer("The client has everything."),
            400: Answer("The cursor names no event of this run."),
            **NOT_FOUND,
            **BAD_QUERY,
            **BUSY,
        },
        query=EventsQuery,
        headers=CURSOR,
    )
    async def stream_run(self, request: Request) -> Response:
        """Follow a run (SSE, NDJSON or JSON by Accept)."""
        accept = request.headers.get("accept", "")
        sse = "text/event-stream" in accept
        if "application/json" in accept and not sse:
            return await self.list_events(request)
        run, after = await self._start(request)
        if "application/x-ndjson" in accept and not sse:
            told = self._told(run, after, show.ndjson, base_url(request), b"")
            lines = StreamingResponse(told, headers=UNBUFFERED, media_type="application/x-ndjson")
            return self._slots.hold(lines, run.id, sse=False)
        if run.status in FINAL and after == show.done_id(run):
            return Response(status_code=204)
        told_live = sse_stream(
            _greeted(self._told(run, after, show.sse, base_url(request), show.DONE), after),
            heartbeat=self._heartbeat,
        )
        return self._slots.hold(told_live, run.id, sse=sse)

    @operation(
        "GET",
        RUN + "/events",
        {200: Answer("Some events.", EventPage), 400: Answer("A bad cursor."), **NOT_FOUND, **BAD_QUERY},
        query=EventsQuery,
        headers=CURSOR,
    )
    async def list_events(self, request: Request) -> Response:
        """Page through a run's events.

        `wait` is how many seconds to wait for the first of them.
        """
        query = read_query(request, EventsQuery)
        run, after = await self._start(request, query)
        with self._slots.place(run.id) as held, self._engine.watching(run.id):
            deadline = anyio.current_time() + (query.wait if held else 0)
            while True:
                bell = self._engine.bell(run.id)
                shown = await self._engine.get(run.id)
                told, done = await self._page(shown, after, query.limit, base_url(request))
                left = deadline - anyio.current_time()
                if told or done or left <= 0 or self._engine.dismissed:
                    break
                with anyio.move_on_after(left):
                    await bell.wait()
        page = {
            "events": [{"id": event.id, **show.payload(event)} for event in told],
            "next": told[-1].id if told else after,
            "done": done,
        }
        headers = {} if done else {"Retry-After": "1"}
        return json_response(page, headers=headers)

    @operation(
        "GET",
        RUN + "/logs",
        {200: Answer("What it printed.", "text/plain"), **NOT_FOUND, **BAD_QUERY, **BUSY},
        query=LogsQuery,
    )
    async def get_logs(self, request: Request) -> Response:
        """Read a run's output.

        Byte for byte, as the agent printed it.
        """
        query = read_query(request, LogsQuery)
        run_id = (await self._engine.get(request.path_params["run_id"])).run.id
        printed = self._printed(run_id, _OUTPUT[query.stream], query)
        headers = UNBUFFERED if query.follow else None
        text = StreamingResponse(printed, headers=headers, media_type="text/plain; charset=utf-8")
        return self._slots.hold(text, run_id, sse=False) if query.follow else text

    async def _start(self, request: Request, query: EventsQuery | None = None) -> tuple[Run, int]:
        """Return the run, looked up before a stream begins so that it can be a 404, and its cursor."""
        run = await self._engine.row(request.path_params["run_id"])
        query = query or read_query(request, EventsQuery)
        after = last_event_id(request)
        if after is None:  # else the header wins: a browser repeats the URL, and so ?after=, as it was
            after = query.after or 0
        if after:
            reader = self._engine.reader(run.id)
            with reader or nullcontext():
                check_cursor(run, after, reader)
        return run, after

    async def _told(
        self, run: Run, after: int, encode: Encode, url: str, farewell: bytes
    ) -> AsyncGenerator[bytes, None]:
        """Yield everything after a cursor, to the last event of a final run and a farewell.

        A stream that ends without these ended early: the run was deleted, or the server stops.
        """
        offset = journal.split_event_id(after)[0]
        if after < show.QUEUED_ID:
            yield encode([show.first(run)])
        name = await self._engine.format_of(run)
        if offset >= START:
            rest, offset = self._rest(run.id, name, after)
            if rest:
                yield encode(rest)
        following = self._engine.follow(run.id, offset, self._rendering(encode, name))
        try:
            with self._engine.watching(run.id):
                async with aclosing(following) as chunks:
                    async for chunk in chunks:
                        yield chunk
                shown = await self._engine.followed(run.id)
        except NotFound:
            return
        if shown.run.status in FINAL:
            yield encode(await self._ending(shown, after, url)) + farewell

    async def _page(self, shown: Snapshot, after: int, limit: int, url: str) -> tuple[list[show.Told], bool]:
        told = [show.first(shown.run)] if after < show.QUEUED_ID else []
        name = await self._engine.format_of(shown.run)
        offset = start = max(journal.split_event_id(after)[0], START)
        reader = self._engine.reader(shown.run.id)
        with reader or nullcontext():
            while reader and len(told) < limit and (frames := reader.frames(offset)):
                told += [event for event in _of(shown.run.id, name, frames) if event.id > after]
                offset = frames[-1].end
                if told and offset - start > PAGE:
                    return told[:limit], False
        if len(told) >= limit or shown.run.status not in FINAL:
            return told[:limit], False
        return told + await self._ending(shown, after, url), True

    async def _ending(self, shown: Snapshot, after: int, url: str) -> list[show.Told]:
        answer = await self._engine.result(shown.run)
        return [event for event in show.last(shown, answer, url) if event.id > after]

    def _rest(self, run_id: str, name: str, after: int) -> tuple[list[show.Told], int]:
        """Return what follows a cursor inside its own frame, and the offset after that frame."""
        offset = journal.split_event_id(after)[0]
        reader = self._engine.reader(run_id)
        with reader or nullcontext():
            frames = reader.frames(offset)[:1] if reader else []
        rest = [event for event in _of(run_id, name, frames) if event.id > after]
        return rest, frames[0].end if frames else offset

    def _rendering(self, encode: Encode, name: str) -> Rendering:
        if (encode, name) not in self._renderings:
            self._renderings[encode, name] = Rendering(
                lambda run_id, frames: encode(_of(run_id, name, frames))
            )
        return self._renderings[encode, name]

    async def _printed(self, run_id: str, kinds: frozenset[Kind], query: LogsQuery) -> AsyncIterator[bytes]:
        offset, rendering = START, self._logs[kinds]
        with self._engine.reader(run_id) or nullcontext() as reader, rendering.viewed(run_id):
            if reader and query.tail is not None:
                lines, offset = await asyncio.to_thread(last_lines, reader, kinds, query.tail)
                yield lines
            elif not query.follow:
                onward = START
                while reader and (onward := (found := rendering.chunk(run_id, offset, reader))[1]) > offset:
                    offset = onward
                    yield found[0]
                    await asyncio.sleep(0)
        if query.follow:
            async with aclosing(self._engine.follow(run_id, offset, rendering)) as chunks:
                async for chunk in chunks:
                    yield chunk


def _of(run_id: str, name: str, frames: list[Frame]) -> list[show.Told]:
    told = (show.told(run_id, event) for frame in frames for event in frame_events(name, frame))
    return [event for event in told if event is not None]


def _printer(kinds: frozenset[Kind]) -> Callable[[str, list[Frame]], bytes]:
    return lambda _, frames: b"".join(frame.data for frame in frames if frame.kind in kinds)


async def _greeted(told: AsyncGenerator[bytes, None], after: int) -> AsyncIterator[bytes]:
    async with aclosing(told):
        yield HELLO + (await anext(told) if after < show.QUEUED_ID else b"")  # that event is there at once
        async for chunk in told:
            yield chunk
