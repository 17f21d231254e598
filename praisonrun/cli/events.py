"""The events of a run, over HTTP: each once, over all breaks, until it has finished."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import httpx2

from ..core.errors import Unavailable
from .client import RUNS, Client

QUIET = 45.0
"""Seconds without a byte after which a stream is dead: three heartbeats of the server."""


def events(client: Client, run_id: str) -> Iterator[httpx2.ServerSentEvent]:
    """Yield every event of a run. Raises Unavailable where the server stays away: see `Client.again`."""
    last, failures = "", 0
    while True:
        try:
            for event in _stream(client, run_id, last):
                if event is None or event.data == "[DONE]":
                    return
                last, failures = event.id, 0
                yield event
            fault: Exception = Unavailable("the stream ended early")
        except (httpx2.TransportError, Unavailable) as error:
            fault = error
        failures = client.again(failures, fault)


def _stream(client: Client, run_id: str, last: str) -> Iterator[httpx2.ServerSentEvent | None]:
    """Yield what comes after the event `last`; None where that is nothing, for ever."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    with client.opened(f"{RUNS}/{run_id}/stream", headers=headers, timeout=httpx2.Timeout(QUIET)) as answer:
        if answer.status_code == HTTPStatus.NO_CONTENT:
            yield None
            return
        yield from httpx2.EventSource(answer, max_event_size=None)
