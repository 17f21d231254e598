"""A place in the stream of all runs, as clients keep it: `STORE.REV`, and `.RUN-EVENT` for each named run.

STORE are the first 8 digits of the store's id, REV is the last change that was seen. RUN are 8 digits of a
digest of a run's id, because an id may have any length and any character; EVENT is the id of its last event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from starlette.requests import Request

from ...core.errors import BadRequest

NAMED = 16
"""Runs that one stream may name."""
FORM = r"^([0-9a-f]{8})\.([0-9]{1,18})((?:\.[0-9a-f]{8}-[0-9]{1,19}){0,16})$"


class Cursor(NamedTuple):
    """What a client has seen."""

    store: str
    rev: int
    events: Mapping[str, int]
    """The id of the last event seen, by the mark of its run."""


def store_of(store_id: str) -> str:
    """Return what stands for a store in a cursor."""
    return store_id[:8]


def mark_of(run_id: str) -> str:
    """Return what stands for a run in a cursor."""
    return sha256(run_id.encode(errors="replace")).hexdigest()[:8]


def place(store: str, rev: int) -> str:
    """Return the cursor of a place in the history."""
    return f"{store}.{rev}"


def positions(events: Mapping[str, int]) -> str:
    """Return the end of a cursor that says how far the events of some runs, by id, were seen."""
    return "".join(f".{mark_of(run_id)}-{event}" for run_id, event in events.items() if event)


def cursor_of(request: Request, after: str | None) -> Cursor | None:
    """Return the cursor of a request, None without one. Raises BadRequest for another text.

    Last-Event-ID wins: a browser repeats the URL, and so ?after=, unchanged.
    """
    given = request.headers.get("last-event-id") or after
    if not given:
        return None
    match = re.fullmatch(FORM, given)
    if match is None:
        raise BadRequest(f"cursor {given[:40]!r} is none of this stream; start without one", field="after")
    pairs = [pair.split("-") for pair in match[3].split(".")[1:]]
    return Cursor(match[1], int(match[2]), {mark: int(event) for mark, event in pairs})
