"""Server-Sent Events as every dialect sends them: the response, its heartbeat, the cursor that comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..errors import BadRequest

HEARTBEAT = 15.0
"""Seconds between two comments of a silent stream."""
SEND_TIMEOUT = 60.0
"""Seconds that a viewer may take nothing before it is let go; it can resume."""
HELLO = b"retry: 2000\n: praisonrun\n\n"
"""Sent at once, so that a client sees an open stream before the first event."""
UNBUFFERED = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Headers that keep proxies from holding a stream back."""


def stream(chunks: AsyncIterator[bytes], *, heartbeat: float, send_timeout: float) -> Response:
    """Return the response that sends chunks, each of whole events; HELLO is the first chunk's own."""
    return _Sse(
        chunks,
        headers={"Content-Type": "text/event-stream; charset=utf-8", **UNBUFFERED},
        ping=heartbeat,
        ping_message_factory=_heartbeat,
        send_timeout=send_timeout,
    )


def last_event_id(request: Request) -> int | None:
    """Return the Last-Event-ID header, None without one. Raises BadRequest for what is no id of ours."""
    given = request.headers.get("last-event-id", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise BadRequest(f"Last-Event-ID {given[:40]!r} is no id of ours; start without one")
    return int(given)


class _Sse(EventSourceResponse):
    """Lets a viewer go that takes nothing; that is no fault of the server's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="heartbeat", sep="\n")
