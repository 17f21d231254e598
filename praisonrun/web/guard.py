"""The guard before the edge: uvicorn's httptools protocol with caps on all sizes and deadlines for all waits.

It counts all that a client can make grow before our code sees a request: an unfinished head, headers, a URL,
trailers, chunk extensions, pipelined requests, connections, answers that nobody reads. `sweep` checks the
deadlines, so that a whole request costs a comparison instead of a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .edge import RenderOf
from .errors import problem
from .head import HEAD_CAP, HEAD_TOO_LARGE, HEADERS_CAP, URL_CAP, URL_TOO_LONG, Limits, origin_form
from .transport import ABORT, READ, CoalescingTransport, written

PIECE = 64 * 1024
"""Bytes that are parsed at once: so many may be held before they are counted."""
LEFTOVER = 64 * 1024
"""Bytes of a body that are read and dropped after its request was answered."""
_HEAD, _BODY, _NOTHING = "head", "body", ""


class _Rejected(Exception):
    """Ends the parsing; its arguments are a status and a detail."""


class Guard(HttpToolsProtocol):
    """One connection. It raises nothing: it rejects in the form of the path's dialect, or closes."""

    def __init__(self, *given: Any, limits: Limits | None = None, **more: Any) -> None:
        super().__init__(*given, **more)
        self.limits = limits or Limits()
        self._seconds = {_HEAD: self.limits.head, _BODY: self.limits.body, _NOTHING: inf}
        self.url = b""
        self._render: RenderOf = getattr(self.app, "render", lambda _path: problem)
        self._waits = self._state = _NOTHING
        """What the deadline is for, and what the parser is in."""
        self._deadline = self._stalled = inf
        """When the rest of a head or body is due, and when a client must have read (the loop's time)."""
        self._closed = False
        self._headers = self._head_bytes = self._leftover = 0
        self._unparsed = 0
        """Bytes since the parser's last event."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalescing = CoalescingTransport(transport, self.loop)
        super().connection_made(self._coalescing)  # type: ignore[arg-type]
        self._await(_HEAD)
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._answer(503, "too many connections; try again", {"Retry-After": "1"})

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines: uvicorn's timer would keep this object for as long as a connection may idle."""
        self._stop()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        for start in range(0, len(data), PIECE):
            self._feed(data[start : start + PIECE])

    def _feed(self, piece: bytes) -> None:
        if self._closed:
            return
        self._unparsed += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:  # the next bytes belong to another protocol
            self.cycle.keep_alive = False
        except (httptools.HttpParserError, MemoryError) as error:
            cause = error.__context__
            if isinstance(error, MemoryError) or isinstance(cause, MemoryError):
                cause = _Rejected(503, "the server is out of memory; try again")
            fault = cause.args if isinstance(cause, _Rejected) else (400, "the request is not valid HTTP")
            self._reject(*fault)
            return
        self._await(self._state or (_HEAD if self._unparsed else _NOTHING))
        if self._unparsed > HEAD_CAP:
            self._reject(431, f"the headers are over {HEAD_CAP} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._state = _HEAD
        self._headers = self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_CAP:
            raise _Rejected(*URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or count a trailer: nothing here reads trailers."""
        self._headers += 1
        self._head_bytes += len(name) + len(value)
        if self._headers > HEADERS_CAP or self._head_bytes > HEAD_CAP:
            raise _Rejected(*HEAD_TOO_LARGE)
        if self._state == _HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.url.startswith(b"/"):
            self._take_absolute()
        if len(self.pipeline) >= self.limits.pipelined:
            raise _Rejected(429, "too many requests wait on this connection")
        self.scope["extensions"] = {ABORT: {"now": self._abort}}
        super().on_headers_complete()
        self._unparsed = 0
        self._state, self._waits, self._leftover = _BODY, _NOTHING, 0

    def _take_absolute(self) -> None:
        """Take the target of a client that holds us for its proxy; its authority counts, not its Host."""
        found = origin_form(self.url)
        if found is None:
            raise _Rejected(400, "the request target must be a path or an http:// URL of this server")
        authority, self.url = found
        self.headers[:] = [(name, authority if name == b"host" else value) for name, value in self.headers]

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        if self.cycle.response_complete:
            self._leftover += len(body)
            if self._leftover > LEFTOVER:
                raise _Rejected(413, "the request was answered before its body")
        super().on_body(body)
        if len(self.cycle.body) > READ:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._unparsed = 0
        self._state = self._waits = _NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._coalescing.flush()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.time() + self.limits.stalled

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = inf

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
        first = min(others, key=Guard.idle_until, default=None)
        if first is None or first.idle_until() == inf:
            return False
        first._close(abort=True)
        return True

    def _reject(self, status: int, detail: str) -> None:
        """Answer with an error if the client can tell which request it is about; close otherwise."""
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
        self.transport.write(written(self._render(path)(status, detail, headers)))
        self._close()

    def _abort(self) -> None:
        self._close(abort=True)

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
        if isinstance(connection, Guard) and now >= min(connection._deadline, connection._stalled):
            connection._close(abort=True)
