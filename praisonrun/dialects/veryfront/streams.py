"""The canonical dialect's events: JSON pages, and a stream that resumes anywhere, over one engine.follow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, nullcontext
from typing import TypeAlias
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.errors import BadRequest, NotFound, RunNotFound
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot
from ...engine.engine import Engine
from ...engine.follow import Rendering
from ...journal import format as journal
from ...journal.format import START
from ...web import sse
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import json_response
from ...web.stream_limits import Slots
from . import models, show
from .errors import BAD, NOT_FOUND
from .events import Teller, Told, frame_of, last_id
from .events import sse as encode
from .models import RunEventsQuery

RUN = "/runs/{run_id}"
SPOKEN = "/conversations/{conversation_id}/runs/{run_id}"
Form: TypeAlias = Callable[[Told], dict[str, Json]]


class Telling(Rendering):
    """How one run is told to all who watch it."""

    def __init__(self, teller: Teller) -> None:
        super().__init__(lambda _, frames: encode(teller.told(frames)))
        self.teller = teller


class Events:
    """The events and stream endpoints, and what the projection wants to know of events."""

    def __init__(
        self,
        engine: Engine,
        *,
        heartbeat: float = sse.HEARTBEAT,
        slots: Slots | None = None,
    ) -> None:
        self._engine, self._heartbeat = engine, heartbeat
        self._slots = slots or Slots()
        self._tellings: WeakValueDictionary[str, Telling] = WeakValueDictionary()

    @operation(
        "GET",
        RUN + "/events",
        {200: Answer("Some events.", models.RunEventPage), **BAD, **NOT_FOUND},
        query=RunEventsQuery,
    )
    async def list_canonical_events(self, request: Request) -> Response:
        """Page through a run's events."""
        shown = await self._engine.get(request.path_params["run_id"])
        return await self._page(request, shown, _listed)

    @operation(
        "GET",
        SPOKEN + "/events",
        {200: Answer("Some events.", models.ToldPage), **BAD, **NOT_FOUND},
        query=RunEventsQuery,
    )
    async def list_conversation_events(self, request: Request) -> Response:
        """Page through a run's events.

        They have AG-UI's own form.
        """
        return await self._page(request, await in_conversation(self._engine, request), _spoken)

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
        headers=sse.CURSOR,
    )
    async def stream_canonical_run(self, request: Request) -> Response:
        """Follow a run (SSE)."""
        shown = await in_conversation(self._engine, request)
        query, after = read_query(request, RunEventsQuery), sse.last_event_id(request)
        if after is None:
            after = query.after_event_id or 0
        if shown.run.status in FINAL and after == last_id(shown.run):
            return Response(status_code=204)
        telling = await self._telling(shown.run)
        chunks = self._chunks(shown, telling, after, self._place(shown.run, after))
        answer = sse.stream(chunks, heartbeat=self._heartbeat)
        return self._slots.hold(answer, shown.run.id, sse=True)

    async def latest(self, run: Run) -> int:
        """Return the id of a run's latest event, 0 before the first."""
        if run.status in FINAL:
            return last_id(run)
        offset = await self._engine.last_frame(run.id)
        if offset is None:
            return 0
        told = self._read(await self._telling(run), run, offset, 1)
        return told[-1].id if told else journal.event_id(offset, 0)

    async def _chunks(
        self, shown: Snapshot, telling: Telling, after: int, offset: int
    ) -> AsyncIterator[bytes]:
        yield sse.HELLO
        run = shown.run
        if after >= journal.event_id(START, 0):
            rest, offset = self._rest(telling, run, after, offset)
            if rest:
                yield encode(rest)
        with self._engine.watching(run.id):
            async with aclosing(self._engine.follow(run.id, offset, telling)) as chunks:
                async for chunk in chunks:
                    yield chunk
            async for last in self._last(telling, run):
                if last.id > after:
                    yield encode([last])

    async def _last(self, telling: Telling, run: Run) -> AsyncGenerator[Told, None]:
        """Give the terminal event; none of a run that was deleted, or goes on while the server stops."""
        try:
            shown = await self._engine.followed(run.id)
        except NotFound:
            return
        if shown.run.status in FINAL:
            yield telling.teller.last(shown, await self._engine.result(shown.run))

    def _rest(self, telling: Telling, run: Run, after: int, offset: int) -> tuple[list[Told], int]:
        """Return what follows a cursor inside its own frame, and the offset after that frame."""
        reader = self._engine.reader(run.id)
        with reader or nullcontext():
            frames = reader.frames(offset)[:1] if reader else []
        rest = [event for event in telling.teller.told(frames) if event.id > after]
        return rest, frames[0].end if frames else offset

    async def _page(self, request: Request, shown: Snapshot, form: Form) -> Response:
        query = read_query(request, RunEventsQuery)
        after = query.after_event_id or 0
        run, telling = shown.run, await self._telling(shown.run)
        found = self._read(telling, run, self._place(run, after), query.limit + 1, after)
        if len(found) <= query.limit and run.status in FINAL:
            found += [last async for last in self._last(telling, run) if last.id > after]
        told, more = found[: query.limit], len(found) > query.limit
        this = None if query.after_event_id is None else str(after)
        info = show.page_info(this, str(told[-1].id) if more else None)
        page = {"data": [form(event) for event in told], "page_info": info}
        return json_response(page)

    def _read(self, telling: Telling, run: Run, offset: int, enough: int, after: int = 0) -> list[Told]:
        """Return the events from an offset on that follow a cursor, at least `enough` if they are there."""
        told: list[Told] = []
        reader = self._engine.reader(run.id)
        with reader or nullcontext():
            for frames in reader.windows(offset) if reader else ():
                told += [event for event in telling.teller.told(frames) if event.id > after]
                if len(told) >= enough:
                    break
        return told

    def _place(self, run: Run, after: int) -> int:
        """Return the offset of the frame that a cursor names. Raises BadRequest where it names none.

        Saying so beats skipping: a cursor of another run would otherwise show a part as the whole.
        """
        if after < journal.event_id(START, 0):
            return START
        if run.status in FINAL and journal.split_event_id(after)[0] == run.journal_end:
            return run.journal_end
        reader = self._engine.reader(run.id)
        with reader or nullcontext():
            offset = frame_of(reader, after) if reader else None
        if offset is None:
            raise BadRequest(f"cursor {after} names no event of run {run.id}; start without one")
        return offset

    async def _telling(self, run: Run) -> Telling:
        telling = self._tellings.get(run.id)
        if telling is None:
            name = await self._engine.format_of(run)
            teller = Teller(run, name, lambda: self._engine.reader(run.id))
            telling = self._tellings[run.id] = Telling(teller)
        return telling


async def in_conversation(engine: Engine, request: Request) -> Snapshot:
    """Return the run that a conversation's path names. Raises NotFound, also for another conversation's."""
    run_id, conversation = request.path_params["run_id"], request.path_params["conversation_id"]
    shown = await engine.get(run_id)
    if conversation.lower() not in map(str.lower, show.conversations(shown.run)):
        raise RunNotFound(run_id)
    return shown


def _listed(event: Told) -> dict[str, Json]:
    return {
        "event_id": event.id,
        "event_type": event.type,
        "payload": event.payload,
        "created_at": iso(event.time),
    }


def _spoken(event: Told) -> dict[str, Json]:
    return {"event_id": event.id, "event": {"type": event.type, **event.payload}}
