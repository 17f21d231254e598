"""Server-Sent Events of every dialect: the response, its heartbeat, the cursor that clients return."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from ..core.errors import BadRequest
from .operations import Header

HEARTBEAT = 15.0
"""Seconds between two comments of a silent stream."""
HELLO = b"retry: 2000\n: praisonrun\n\n"
"""The first chunk: a client sees an open stream before the first event."""
CURSOR = {
    "Last-Event-ID": Header("The id of the last event seen; the stream goes on after it.", "^[0-9]{0,19}$")
}
UNBUFFERED = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Headers that keep proxies from buffering a stream."""


def stream(chunks: AsyncIterator[bytes], *, heartbeat: float) -> Response:
    """Return the response that sends chunks of whole events; the first one begins with HELLO.

    The guard closes the connection of a viewer that reads nothing, at no cost for each chunk.
    """
    return EventSourceResponse(
        chunks,
        headers={"Content-Type": "text/event-stream; charset=utf-8", **UNBUFFERED},
        ping=heartbeat,
        ping_message_factory=_heartbeat,
    )


def last_event_id(request: Request) -> int | None:
    """Return the Last-Event-ID header, None without one. Raises BadRequest for a malformed one."""
    given = request.headers.get("last-event-id", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise BadRequest(f"Last-Event-ID {given[:40]!r} is no id of ours; start without one")
    return int(given)


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="heartbeat", sep="\n")
