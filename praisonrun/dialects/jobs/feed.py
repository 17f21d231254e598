"""One stream of all runs: what changed since a cursor, as SSE, NDJSON or JSON page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.requests import Request
from starlette.responses import Response

from ... import __version__
from ...core.clock import iso, now
from ...core.errors import PraisonrunError
from ...core.json import dumps
from ...core.model import Mode
from ...engine.engine import Engine
from ...engine.pulse import EVERY
from ...engine.shared_results import LARGE
from ...web.operations import Answer, operation
from ...web.requests import base_url, read_query, wait_for
from ...web.responses import HEARTBEAT, HELLO, StreamLimits, line_stream, sse_stream
from ..event_stream import EventStream
from .events import JobEvents
from .feed_cursor import Cursor, cursor_of, mark_of, place
from .feed_items import Encode, Item, Source, item, line, sse
from .feed_models import LAST_EVENT, FeedEvent, FeedPage, FeedQuery, runs_of
from .feed_runs import OwnEvents
from .show import AGAIN, BAD_QUERY

EVENTS = "/api/v1/events"
PAUSE = 0.05
"""Seconds from one piece of news to the next: what changes meanwhile is told once."""
_ANSWERS = {
    200: Answer(
        "What changed, as it is now: SSE without an Accept.",
        {"application/json": FeedPage, "text/event-stream": FeedEvent, "application/x-ndjson": FeedEvent},
    ),
    400: Answer("A cursor that is none of this stream."),
    **BAD_QUERY,
    503: Answer("Too many streams are open.", headers=AGAIN),
}


class Listener:
    """One client's place."""

    def __init__(
        self, source: Source, engine: Engine, own: OwnEvents, mode: Mode, turn: asyncio.Lock
    ) -> None:
        self._source, self._feed, self._own, self._mode = source, engine.feed, own, mode
        self._turn = turn
        self._born, self._beat, self.rev = source.number, 0, 0
        self.more = False
        """Whether more can be read at once."""

    @property
    def cursor(self) -> str:
        """Where the client is."""
        return place(self._source.store, self.rev) + self._own.end

    async def start(self, given: Cursor | None, runs: dict[str, bool]) -> str:
        """Go to a cursor, or to now without one. Returns why that cannot be, or "": then it is now."""
        store = self._source.store
        known = given.events if given and given.store == store else {}
        reset = "other_store" if given and given.store != store else ""
        for run_id, logs in runs.items():
            if not await self._own.name(run_id, known.get(mark_of(run_id), 0), logs=logs):
                reset = reset or "unknown_run"
        if given is None or reset:
            self.rev = await self._feed.now()
            return reset
        self.rev = given.rev
        if reset := (await self._source.read(self.rev, self._mode, self._born)).reset:
            self.rev = await self._feed.now()
        return reset

    def lost(self, reason: str) -> Item:
        """Return the event that tells a client to list again."""
        return item("reset", {"reason": reason, "ts": iso(now())}, self.cursor)

    async def read(self, encode: Encode) -> AsyncGenerator[bytes, None]:
        """Yield what there is to say, and go on behind it. Raises Unavailable.

        Only the piece that is sent is in memory, and what a named run says is put into words in turns.
        """
        reading = await self._source.read(self.rev, self._mode, self._born)
        if reading.reset:
            self.rev = await self._feed.now()
            yield encode(self.lost(reading.reset), "")
            return
        self.rev, self.more = reading.next, reading.more
        if text := reading.text(encode, self._own.end):
            yield text
        for run_id in self._own.ids:
            async with self._turn:
                at = place(self._source.store, self.rev)
                texts, more, result = await self._own.read(run_id, at, encode)
                await asyncio.sleep(0)  # those before are on their way, or were given up
            self.more = self.more or more
            while texts:
                yield texts.pop(0)
            del result  # it was shared until now

    def beats(self, encode: Encode) -> bytes:
        """Return how far the live runs are, as far as the client was not told."""
        found = self._source.beats(self._beat, self._mode)
        self._beat = self._feed.pulse.number
        return b"".join([encode(each, "") for each in found])


class Feed:
    """The endpoint."""

    def __init__(self, engine: Engine, limits: StreamLimits, *, heartbeat: float = HEARTBEAT) -> None:
        self._engine, self._limits, self._heartbeat = engine, limits, heartbeat
        self._source, self._events = Source(engine), EventStream(engine, JobEvents)
        self._turn = asyncio.Lock()
        """What named runs say is put into words one after the other: it may be a whole result."""

    @operation("GET", EVENTS, _ANSWERS, query=FeedQuery, headers=LAST_EVENT)
    async def stream_events(self, request: Request) -> Response:
        """Follow all runs (SSE, NDJSON or JSON by Accept)."""
        query, accept = read_query(request, FeedQuery), request.headers.get("accept", "")
        by_name = "text/event-stream" in accept
        own = OwnEvents(self._engine, self._events, base_url(request))
        listener = Listener(self._source, self._engine, own, Mode(query.mode), self._turn)
        reset = await listener.start(cursor_of(request, query.after), runs_of(query))
        if "application/json" in accept and not by_name:
            return await self._page(request, query.wait, listener, own, reset)
        if "application/x-ndjson" in accept and not by_name:
            beat = line(item("heartbeat", {}), "")
            lines = self._stream(listener, own, line, b"", reset)
            return self._limits.limited(
                line_stream(lines, heartbeat=self._heartbeat, beat=beat), "", sse=False
            )
        chunks = self._stream(listener, own, sse, HELLO, reset)
        return self._limits.limited(sse_stream(chunks, heartbeat=self._heartbeat), "", sse=by_name)

    async def _stream(
        self, listener: Listener, own: OwnEvents, encode: Encode, hello: bytes, reset: str
    ) -> AsyncGenerator[bytes, None]:
        """Yield news until the client leaves or the server stops; it comes back with its cursor."""
        feed, pulse = self._engine.feed, self._engine.feed.pulse
        opening = [item("server", {"version": __version__, "ts": iso(now())}, listener.cursor)]
        opening += [listener.lost(reset)] if reset else []
        yield hello + b"".join([encode(each, "") for each in opening])
        with own.watched():
            while not self._engine.journals.dismissed:
                bell = feed.bell(own.ids)
                await pulse.look()
                said = False
                try:
                    async with aclosing(listener.read(encode)) as pieces:
                        async for piece in pieces:
                            said = True
                            yield piece
                            if len(piece) > LARGE:
                                del piece
                                yield b""  # who sent it would keep it until there is more to send
                except PraisonrunError:  # the store cannot be read now
                    return
                if not listener.more and (beats := listener.beats(encode)):
                    said = True
                    yield beats
                if listener.more:
                    await anyio.lowlevel.checkpoint()
                elif said:
                    await anyio.sleep(PAUSE)
                else:
                    with anyio.move_on_after(EVERY if pulse.alive else None):
                        await bell.wait()

    async def _page(
        self, request: Request, wait: float, listener: Listener, own: OwnEvents, reset: str
    ) -> Response:
        """Answer with what there is, or comes within `wait` seconds; progress alone is not waited for."""
        lost = {"reason": reset, "cursor": listener.cursor} if reset else None
        with self._limits.admitted("") as admitted, own.watched():
            # Where too many streams are open, the answer comes at once.
            deadline = anyio.current_time() + (wait if admitted and not reset else 0)
            while True:
                bell = self._engine.feed.bell(own.ids)
                pieces = [piece async for piece in listener.read(line)]
                left = deadline - anyio.current_time()
                if pieces or left <= 0 or self._engine.journals.dismissed:
                    break
                if not listener.more:
                    await wait_for(request, bell, left)
        await self._engine.feed.pulse.look()
        events = b",".join(b"".join([*pieces, listener.beats(line)]).splitlines())
        page = b'{"events":[%b],"next":%b,"reset":%b}' % (events, dumps(listener.cursor), dumps(lost))
        return Response(page, headers={"Retry-After": "1"}, media_type="application/json")
