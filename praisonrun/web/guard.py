"""The guard before the door: uvicorn's httptools protocol with caps on every byte and a clock on every wait.

What it counts is what a stranger can make grow before any of our code sees a request: an unfinished head,
headers, a URL, trailers, chunk extensions, pipelined requests, connections, answers that nobody takes.
Deadlines are looked at by `sweep`, not by a timer for each request: whole requests cost a comparison.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .coalescing import CoalescingTransport
from .edge import HEAD_CAP, HEADERS, HEADERS_CAP, URL_CAP, RenderOf
from .errors import problem

PIECE = 64 * 1024
"""Bytes that are parsed at once, and so may be held before they are counted."""
BEHIND = 32 * 1024
"""Bytes that may wait for one client, beside what the system's socket holds, before its answer does."""
LEFTOVER = 64 * 1024
"""Bytes of a body that are read to no end after its request was answered."""
SWEEP = 1.0
"""Seconds between two looks at the deadlines."""
AGAIN = {"Retry-After": "1"}
_HEAD, _BODY, _NOTHING = "head", "body", ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes from strangers. Times are seconds, and a look may come SWEEP later."""

    head: float = 9.0
    """From a connection, or a head's first byte, to the head's end."""
    body: float = 29.0
    """From the head's end to the body's."""
    stalled: float = 60.0
    """That a client may take nothing of an answer."""
    connections: int = 1024
    """Beyond it the one that idles longest is closed; if none idles, the new one gets a 503."""
    pipelined: int = 16
    """Requests that may wait on one connection for the answer to an earlier one."""


class _Refused(Exception):
    """Ends the parsing; the answer stands in `_fault`."""


class Guard(HttpToolsProtocol):
    """One connection. Raises nothing: it refuses, in the form of its path's dialect, or closes."""

    def __init__(self, *given: Any, limits: Limits | None = None, **more: Any) -> None:
        super().__init__(*given, **more)
        self.limits = limits or Limits()
        self.url = b""
        self._render: RenderOf = getattr(self.app, "render", lambda _path: problem)
        self.deadline: float | None = None
        """When the rest of a head or body must be here (the loop's time)."""
        self._waits = self._state = _NOTHING
        self._closed = False
        self._fault: tuple[int, str] | None = None
        self._headers = self._head_bytes = 0
        self._steps = self._loose = 0
        """Things that the parser told, and the bytes since the last of them."""
        self._leftover = 0
        self._stalled_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock; make room where there is none."""
        self._coalescing = CoalescingTransport(transport, self.loop)
        super().connection_made(self._coalescing)  # type: ignore[arg-type]
        transport.set_write_buffer_limits(BEHIND)
        self._await(_HEAD)
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._answer(503, "too many connections; try again", AGAIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks: uvicorn's would hold all of this for as long as a connection may idle."""
        self._closed, self.deadline, self._stalled_since = True, None, None
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces, and count what has not become anything yet."""
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
        before = self._steps
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # what follows is another protocol's
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(*(self._fault or (400, "the request is not valid HTTP")))
            return
        if self._steps != before:
            self._loose = 0
            self._await(self._state)
        else:
            self._loose += len(piece)
            self._await(self._state or _HEAD)
            if self._loose > HEAD_CAP:
                self._refuse(431, f"the headers are over {HEAD_CAP} bytes")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._state = _HEAD
        self._headers = self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the URL."""
        super().on_url(url)
        if len(self.url) > URL_CAP:
            self._raise(414, f"the URL is over {URL_CAP} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after a chunked body a trailer, which says nothing that we ask for."""
        self._headers += 1
        self._head_bytes += len(name) + len(value)
        if self._headers > HEADERS_CAP or self._head_bytes > HEAD_CAP:
            self._raise(431, f"the headers are over {HEAD_CAP} bytes, or more than {HEADERS_CAP}")
        if self._state == _HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request, whose body may follow."""
        if not self.url.startswith(b"/"):
            self._raise(400, "the request target must be a path")
        if len(self.pipeline) >= self.limits.pipelined:
            self._raise(429, "too many requests wait on this connection")
        super().on_headers_complete()
        self._steps += 1
        self._state, self._waits, self._leftover = _BODY, _NOTHING, 0

    def on_body(self, body: bytes) -> None:
        """A part of a body; of one whose request was answered, only a little is read."""
        self._steps += 1
        if self.cycle.response_complete:
            self._leftover += len(body)
            if self._leftover > LEFTOVER:
                self._raise(413, "the request was answered before its body")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._steps += 1
        self._state = self._waits = _NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is whole."""
        self._coalescing.flush()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client takes less than we send."""
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client has taken what was waiting."""
        super().resume_writing()
        self._stalled_since = None

    def look(self, now: float) -> None:
        """Close a connection whose time is up."""
        late = self.deadline is not None and now >= self.deadline
        since = self._stalled_since
        if late or (since is not None and now - since >= self.limits.stalled):
            self._close(abort=True)

    @property
    def idle_until(self) -> float | None:
        """When this connection would be closed if nothing came; None while an answer is being made."""
        if self._closed:
            return None
        if self.timeout_keep_alive_task is not None:
            return self.timeout_keep_alive_task.when()
        return self.deadline

    def _await(self, what: str) -> None:
        if what == self._waits and (what or self.deadline is None):
            return
        self._waits = what
        seconds = {_HEAD: self.limits.head, _BODY: self.limits.body}.get(what)
        self.deadline = None if seconds is None else self.loop.time() + seconds

    def _make_room(self) -> bool:
        """Close the connection that would be closed first anyway; say whether there was one."""
        idle = [
            (until, other)
            for other in self.connections
            if isinstance(other, Guard) and other is not self and (until := other.idle_until) is not None
        ]
        if idle:
            min(idle, key=lambda pair: pair[0])[1]._close(abort=True)
        return bool(idle)

    def _raise(self, status: int, detail: str) -> None:
        self._fault = (status, detail)
        raise _Refused

    def _refuse(self, status: int, detail: str) -> None:
        """Say what is wrong, where the client can still tell which request is meant."""
        in_body, cycle = self._state == _BODY, self.cycle
        if cycle is None or cycle.response_complete:
            clear = not in_body
        else:
            clear = in_body and not cycle.response_started and not self.pipeline
        if clear:
            self._answer(status, detail)
        else:
            self._close()

    def _answer(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        path = self.url.partition(b"?")[0].decode("latin-1")
        self.transport.write(written(self._render(path)(status, detail, headers or {})))
        self._close()

    def _close(self, *, abort: bool = False) -> None:
        self._closed, self.deadline, self._stalled_since = True, None, None
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if abort:
            self.transport.abort()
        else:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: strangers shall not write our log."""


def sweep(connections: Iterable[object], now: float) -> None:
    """Close every guarded connection whose time is up at `now` (the loop's time)."""
    for connection in tuple(connections):
        if isinstance(connection, Guard):
            connection.look(now)


def written(answer: Response) -> bytes:
    """Return a whole answer as the bytes of HTTP/1.1, ending its connection."""
    pairs = [*answer.raw_headers, *HEADERS, (b"connection", b"close")]
    head = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
    return STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body)
