"""What the stream of all runs is asked, and its events as JSON. Field names are the wire's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...core.errors import Invalid
from ...core.json import Json
from ...web.fields import WireModel
from ...web.operations import Header
from .feed_cursor import FORM, NAMED
from .show import JobStatus, ProgressShown

LAST_EVENT = {"Last-Event-ID": Header("The last cursor seen; the stream continues after it.", f"^$|{FORM}")}
CURSOR = {"Praisonrun-Cursor": "Where GET /api/v1/events is to begin to miss nothing after this list."}
_RUNS = f"Ids with commas between them, {NAMED} in all: their own events, too, each with its run_id."


class FeedQuery(WireModel):
    """Where the stream begins, and which runs' own events come with it."""

    several = frozenset({"runs", "logs"})

    after: str | None = Field(
        None, description="A cursor; Last-Event-ID does the same.", json_schema_extra={"pattern": FORM}
    )
    wait: float = Field(0.0, ge=0, le=300, description="Seconds that a JSON page waits for a change.")
    runs: str | None = Field(None, description=_RUNS)
    logs: str | None = Field(None, description="The same, but only what these runs print.")
    mode: Literal["run", "service"] = Field("run", description="Services are told only when asked for.")


def runs_of(query: FeedQuery) -> dict[str, bool]:
    """Return the runs that a query names, and whether only their logs are wanted. Raises Invalid."""
    named = dict.fromkeys((name for name in (query.logs or "").split(",") if name), True)
    named |= dict.fromkeys((name for name in (query.runs or "").split(",") if name), False)
    if len(named) > NAMED:
        raise Invalid(f"runs and logs name {len(named)} runs; {NAMED} may be named", field="runs")
    return named


class RunChanged(WireModel):
    """A run changed; this is how it is now."""

    event: Literal["run"]
    run: JobStatus
    ts: str
    cursor: str


class RunRemoved(WireModel):
    """A run was deleted, by hand or by age."""

    event: Literal["removed"]
    id: str
    ts: str
    cursor: str


class RunProgress(WireModel):
    """How far a live run says it is. No part of the history: it has no cursor."""

    event: Literal["progress"]
    id: str
    progress: ProgressShown
    ts: str


class RunUsage(WireModel):
    """What a live run says it used. No part of the history: it has no cursor."""

    event: Literal["usage"]
    id: str
    usage: dict[str, Json]
    ts: str


class OwnEvent(WireModel, extra="allow"):
    """An event of a named run, as in its own stream."""

    event: str
    id: int
    run_id: str
    cursor: str


class Reset(WireModel):
    """The cursor could not be continued: list again."""

    reason: Literal["other_store", "ahead", "too_old", "unknown_run"]
    cursor: str


class FeedPage(WireModel):
    """What changed since a cursor, the cursor to ask with next, and whether the given one was of no use."""

    events: list[RunChanged | RunRemoved | RunProgress | RunUsage | OwnEvent]
    next: str
    reset: Reset | None
