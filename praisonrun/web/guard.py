"""The guard before the edge: uvicorn's httptools protocol with caps on all sizes and deadlines for all waits.

It counts all that a client can make grow before our code sees a request: an unfinished head, headers, a URL,
trailers, chunk extensions, pipelined requests, connections, answers that nobody reads. `sweep` checks the
deadlines, so that a whole request costs a comparison instead of a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from operator import attrgetter
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .coalescing import CoalescingTransport
from .edge import HEADERS, RenderOf
from .errors import problem
from .head import HEAD_CAP, HEAD_TOO_LARGE, HEADERS_CAP, URL_CAP, URL_TOO_LONG, Fault

PIECE = 64 * 1024
"""Bytes that are parsed at once: so many may be held before they are counted."""
BEHIND = 32 * 1024
"""Bytes of an answer that may wait for a slow client, besides those in the system's socket buffer."""
LEFTOVER = 64 * 1024
"""Bytes of a body that are read and dropped after its request was answered."""
SWEEP = 1.0
"""Seconds between two checks of the deadlines."""
_HEAD, _BODY, _NOTHING = "head", "body", ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server accepts from its clients. Times are seconds; the check may come SWEEP later."""

    head: float = 9.0
    """From the start of a connection, or the first byte of a head, to the end of the head."""
    body: float = 29.0
    """From the end of the head to the end of the body."""
    stalled: float = 60.0
    """How long a client may read nothing of an answer."""
    connections: int = 1024
    """Beyond this number the longest idle connection is closed; if none is idle, the new one gets a 503."""
    pipelined: int = 16
    """Requests that may wait on one connection for the answer to an earlier one."""


class _Rejected(Exception):
    """Ends the parsing; `_fault` has the answer."""


class Guard(HttpToolsProtocol):
    """One connection. It raises nothing: it rejects in the form of the path's dialect, or closes."""

    def __init__(self, *given: Any, limits: Limits = Limits(), **more: Any) -> None:
        super().__init__(*given, **more)
        self.limits = limits
        self._seconds = {_HEAD: limits.head, _BODY: limits.body, _NOTHING: inf}
        self.url = b""
        self._render: RenderOf = getattr(self.app, "render", lambda _path: problem)
        self._waits = self._state = _NOTHING
        """What the deadline is for, and what the parser is in."""
        self._deadline = self._stalled = inf
        """When the rest of a head or body is due, and when a client must have read (the loop's time)."""
        self._closed = False
        self._fault: Fault = (400, "the request is not valid HTTP")
        self._headers = self._head_bytes = self._leftover = 0
        self._unparsed = 0
        """Bytes since the parser's last event."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline; make room if there are too many connections."""
        self._coalescing = CoalescingTransport(transport, self.loop)
        super().connection_made(self._coalescing)  # type: ignore[arg-type]
        transport.set_write_buffer_limits(BEHIND)
        self._await(_HEAD)
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._answer((503, "too many connections; try again"), {"Retry-After": "1"})

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines: uvicorn's timer would keep this object for as long as a connection may idle."""
        self._stop()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces, and count the bytes that have led to no event of the parser yet."""
        self._unset_keepalive_if_required()
        if len(data) <= PIECE:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            self._feed(view[start : start + PIECE])

    def _feed(self, piece: bytes | memoryview) -> None:
        if self._closed:
            return
        self._unparsed += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # the next bytes belong to another protocol
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._reject(self._fault)
            return
        self._await(self._state or (_HEAD if self._unparsed else _NOTHING))
        if self._unparsed > HEAD_CAP:
            self._reject((431, f"the headers are over {HEAD_CAP} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._state = _HEAD
        self._headers = self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_CAP:
            self._raise(*URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or count a trailer: nothing here reads trailers."""
        self._headers += 1
        self._head_bytes += len(name) + len(value)
        if self._headers > HEADERS_CAP or self._head_bytes > HEAD_CAP:
            self._raise(*HEAD_TOO_LARGE)
        if self._state == _HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            self._raise(400, "the request target must be a path")
        if len(self.pipeline) >= self.limits.pipelined:
            self._raise(429, "too many requests wait on this connection")
        super().on_headers_complete()
        self._unparsed = 0
        self._state, self._waits, self._leftover = _BODY, _NOTHING, 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; drop it if the request is answered, up to LEFTOVER bytes."""
        self._unparsed = 0
        if self.cycle.response_complete:
            self._leftover += len(body)
            if self._leftover > LEFTOVER:
                self._raise(413, "the request was answered before its body")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        self._state = self._waits = _NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._coalescing.flush()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the client reads less than we send."""
        super().pause_writing()
        self._stalled = self.loop.time() + self.limits.stalled

    def resume_writing(self) -> None:
        """Note that the client has read what was waiting."""
        super().resume_writing()
        self._stalled = inf

    def check(self, now: float) -> None:
        """Close the connection if its time is up at `now`."""
        if now >= min(self._deadline, self._stalled):
            self._close(abort=True)

    @property
    def idle_until(self) -> float:
        """When this connection is closed if nothing comes; never while an answer is being made."""
        if self._closed or self.timeout_keep_alive_task is None:
            return self._deadline
        return self.timeout_keep_alive_task.when()

    def _await(self, what: str) -> None:
        if what != self._waits or what == _NOTHING:
            self._waits = what
            self._deadline = self.loop.time() + self._seconds[what]

    def _make_room(self) -> bool:
        """Close the idle connection whose deadline is next; say whether there was one."""
        others = [other for other in self.connections if isinstance(other, Guard) and other is not self]
        first = min(others, key=attrgetter("idle_until"), default=None)
        if first is None or first.idle_until == inf:
            return False
        first._close(abort=True)
        return True

    def _raise(self, status: int, detail: str) -> None:
        self._fault = (status, detail)
        raise _Rejected

    def _reject(self, fault: Fault) -> None:
        """Answer with an error if the client can tell which request it is about; close otherwise."""
        in_body, cycle = self._state == _BODY, self.cycle
        if cycle is None or cycle.response_complete:
            clear = not in_body
        else:
            clear = in_body and not cycle.response_started and not self.pipeline
        if clear:
            self._answer(fault)
        else:
            self._close()

    def _answer(self, fault: Fault, headers: Mapping[str, str] | None = None) -> None:
        path = self.url.partition(b"?")[0].decode("latin-1")
        self.transport.write(written(self._render(path)(*fault, headers)))
        self._close()

    def _stop(self) -> None:
        self._closed = True
        self._deadline = self._stalled = inf

    def _close(self, *, abort: bool = False) -> None:
        self._stop()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if abort:
            self.transport.abort()
        else:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: clients must not be able to fill our log."""


def sweep(connections: Iterable[object], now: float) -> None:
    """Close every guarded connection whose time is up at `now` (the loop's time)."""
    for connection in tuple(connections):
        if isinstance(connection, Guard):
            connection.check(now)


def written(answer: Response) -> bytes:
    """Return a whole answer as HTTP/1.1 bytes that end its connection."""
    pairs = [*answer.raw_headers, *HEADERS, (b"connection", b"close")]
    head = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
    return STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body)
