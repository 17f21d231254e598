"""What the stream of all runs is asked, and its events as JSON. Field names are the wire's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from ...core.errors import Invalid
from ...web.fields import Time, WireModel
from ...web.forms import Described, OneOf
from ...web.operations import Header
from .event_models import OwnEvent
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


class _Placed(Described):
    ts: Time = Field(description="When it happened.")
    cursor: str = Field(description="Where the stream continues after this event.")


class ServerSaid(_Placed):
    """The first event of a stream."""

    event: Literal["server"] = Field(description="server")
    version: str = Field(description="praisonrun's version.")


class RunChanged(_Placed):
    """A run changed."""

    event: Literal["run"] = Field(description="run")
    run: JobStatus = Field(description="The run as it is now.")


class RunRemoved(_Placed):
    """A run was deleted, by hand or by age."""

    event: Literal["removed"] = Field(description="removed")
    id: str = Field(description="The run's id.")


class RunProgress(Described):
    """How far a live run says it is. It is no part of the history, so it has no cursor."""

    event: Literal["progress"] = Field(description="progress")
    id: str = Field(description="The run's id.")
    progress: ProgressShown = Field(description="As in its status.")
    ts: Time = Field(description="When it was found.")


class RunUsage(Described):
    """What a live run says it used. It is no part of the history, so it has no cursor."""

    event: Literal["usage"] = Field(description="usage")
    id: str = Field(description="The run's id.")
    usage: dict[str, float] = Field(description="As in its status.")
    ts: Time = Field(description="When it was found.")


class Reset(Described):
    """The cursor could not be continued: the client lists again."""

    reason: Literal["other_store", "ahead", "too_old", "unknown_run"] = Field(description="Why.")
    cursor: str = Field(description="Where the stream continues.")


class WasReset(Reset):
    """The cursor could not be continued: the client lists again."""

    event: Literal["reset"] = Field(description="reset")
    ts: Time = Field(description="When it was found.")


class Heartbeat(Described):
    """Nothing happened for a while; only in JSON lines."""

    event: Literal["heartbeat"] = Field(description="heartbeat")


class AllRunsEvent(OneOf):
    """News of all runs. Only streams have `server` and `heartbeat`."""

    by = "event"

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        return ServerSaid, RunChanged, RunRemoved, RunProgress, RunUsage, WasReset, Heartbeat


class FeedEvent(OneOf):
    """News of all runs, or an event of a run that the request names, which has a `run_id`."""

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        return AllRunsEvent, OwnEvent


class FeedPage(Described):
    """What changed since a cursor."""

    events: list[FeedEvent] = Field(description="Changes in order; each run is shown as it is now.")
    next: str = Field(description="The cursor after them: `after` of the next page.")
    reset: Reset | None = Field(description="Null where the cursor was continued.")
