"""Answers as every dialect makes them: JSON, and streams, of which only so many may be open at once."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from itertools import islice

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..core.errors import Unavailable
from ..core.json import Json, dumps
from .operations import Answer, Header

HEARTBEAT = 15.0
"""Seconds between two comments of a silent stream."""
HELLO = b"retry: 2000\n: praisonrun\n\n"
"""The first chunk: a client sees an open stream before the first event."""
CURSOR = {
    "Last-Event-ID": Header("The id of the last event seen; the stream continues after it.", "^[0-9]{0,19}$")
}
ETAG = {"ETag": "Names this state of the answer; If-None-Match asks for another."}
IF_NONE_MATCH = {"If-None-Match": Header("ETags that the client has: another state is wanted.", "^.*$")}
UNCHANGED = {304: Answer("The client has this state: its ETag is in If-None-Match.", headers=ETAG)}
UNBUFFERED = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Headers that keep proxies from buffering a stream."""
TOTAL = 256
PER_RUN = 64
LATER = b"retry: 30000\n: too many streams are open\n\n"
"""The answer to an EventSource: any status but 200 would end it for good."""


def json_response(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(body), status, headers, media_type="application/json")


def unless_known(request: Request, body: Json, headers: Mapping[str, str]) -> Response:
    """Return a body with its ETag, a weak hash; 304 without the body to a client that has it (RFC 9110)."""
    content = dumps(body)
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers = {**headers, "ETag": f"W/{tag}"}
    named = ",".join(request.headers.getlist("if-none-match"))
    if tag in re.findall('"[^"]*"', named) or named.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type="application/json")


def json_around(body: Mapping[str, Json], name: str, size: int, copied: AsyncIterator[bytes]) -> Response:
    """Return a body whose value at `name`, neither its first nor its last, is `size` bytes of JSON."""
    at = list(body).index(name)
    before, after = dict(islice(body.items(), at)), dict(islice(body.items(), at + 1, None))
    head, tail = b"%b,%b:" % (dumps(before)[:-1], dumps(name)), b"," + dumps(after)[1:]

    async def whole() -> AsyncIterator[bytes]:
        yield head
        async for piece in copied:
            yield piece
        yield tail

    length = {"Content-Length": str(len(head) + size + len(tail))}
    return Stream(whole(), headers=length, media_type="application/json")


def content_type(path: str) -> str:
    """Return the media type that a file's name suggests."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


class Stream(StreamingResponse):
    """A stream of bytes, of which nothing stays in memory or open when its client leaves.

    anyio keeps the error that ended a cancelled task in a cycle, with the frames that it went through, and so
    the chunk that was being sent: until a collection of garbage, which is rare.
    """

    async def stream_response(self, send: Send) -> None:
        """Send all chunks, or close what makes them."""
        try:
            await super().stream_response(send)
        except BaseException as gone:
            if isinstance(self.body_iterator, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await self.body_iterator.aclose()
            raise gone.with_traceback(None)  # noqa: B904 - it is the same error


class _Events(EventSourceResponse):
    """A stream of events, as a Stream is one of bytes; it closes what makes them itself."""

    async def _stream_response(self, send: Send) -> None:
        try:
            await super()._stream_response(send)
        except BaseException as gone:
            raise gone.with_traceback(None)  # noqa: B904 - it is the same error


def sse_stream(chunks: AsyncIterator[bytes], *, heartbeat: float) -> Response:
    """Return the response that sends chunks of whole events; the first one begins with HELLO.

    The guard closes the connection of a viewer that reads nothing, at no cost for each chunk.
    """
    return _Events(
        chunks,
        headers={"Content-Type": "text/event-stream; charset=utf-8", **UNBUFFERED},
        ping=heartbeat,
        ping_message_factory=partial(ServerSentEvent, comment="heartbeat", sep="\n"),
    )


def line_stream(chunks: AsyncIterator[bytes], *, heartbeat: float, beat: bytes) -> Response:
    """Return the response that sends chunks of whole lines of JSON; its heartbeat is the line `beat`."""
    return _Events(
        chunks,
        headers={"Content-Type": "application/x-ndjson", **UNBUFFERED},
        ping=heartbeat,
        ping_message_factory=lambda: beat,  # type: ignore[arg-type, return-value]  # bytes are sent as they are
    )


class StreamLimits:
    """Counts the open streams of one server, each from its first byte on. Not thread-safe."""

    def __init__(self, total: int = TOTAL, per_run: int = PER_RUN) -> None:
        self._total, self._per_run = total, per_run
        self._of_run: Counter[str] = Counter()
        self.catching_up = asyncio.Semaphore(2)
        """Pages of events are read in turns: each is in memory until its answer is made."""
        self.open = 0

    @contextmanager
    def admitted(self, run_id: str) -> Iterator[bool]:
        """Count a stream inside this block; give False, and count none, where a limit is reached."""
        if self.open >= self._total or self._of_run[run_id] >= self._per_run:
            yield False
            return
        self.open += 1
        self._of_run[run_id] += 1
        try:
            yield True
        finally:
            self.open -= 1
            self._of_run[run_id] -= 1
            self._of_run += Counter()  # drops what is zero

    def limited(self, answer: Response, run_id: str, *, sse: bool) -> Response:
        """Return an answer that counts as an open stream while it is sent, or says that there are too many.

        `sse` says that the client asked for an event stream by name: it gets one that sends it away for
        30 s. All others get the error Unavailable.
        """
        return _Limited(self, answer, run_id, sse=sse)


class _Limited(Response):
    def __init__(self, limits: StreamLimits, answer: Response, run_id: str, *, sse: bool) -> None:
        self._limits, self._answer, self._run_id, self._sse = limits, answer, run_id, sse
        self.status_code, self.raw_headers = answer.status_code, answer.raw_headers
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._limits.admitted(self._run_id) as admitted:
            if admitted:
                await self._answer(scope, receive, send)
            elif self._sse:
                await Response(LATER, media_type="text/event-stream")(scope, receive, send)
            else:
                raise Unavailable("too many streams are open; try again, or poll", retry_after=5)
