"""The jobs dialect's queries. The names of parameters are the wire's (contracts: PraisonAI jobs)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from ...core import durations
from ...core.clock import now
from ...core.errors import BadRequest, Invalid
from ...core.json import Json
from ...core.model import Status
from ...web.fields import Flag, Text, WireModel


class PollQuery(WireModel):
    """How long a poll waits."""

    wait: float = Field(
        0.0, ge=0, le=300, description="Seconds to wait for another status, or for what If-None-Match lacks."
    )


_AGO: dict[str, Json] = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}
Since = Annotated[str, WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, _AGO]})]


class Filters(WireModel):
    """Which runs."""

    several = frozenset({"status"})

    status: str | None = Field(
        None,
        description="One status, or several: with commas between them, or the parameter repeated.",
        json_schema_extra={"pattern": f"^({'|'.join(Status)})(,({'|'.join(Status)}))*$"},
    )
    session_id: str | None = Field(None, description="Only the runs of this session.")
    agent: str | None = Field(None, description="Only the runs of this agent.")
    root: str | None = Field(None, description="Only the tree of this run.")
    since: Since | None = Field(None, description="Submitted at this time or later, or so long ago: 2h, 3d.")
    q: Text | None = Field(None, max_length=200, description="Only runs with this text in title or prompt.")
    mode: Literal["run", "service"] = Field("run", description="Services are listed only when asked for.")


class ListQuery(Filters):
    """Filters and page of a list."""

    page: int = Field(1, ge=1, le=10**9, description="Which page, from 1 on.")
    page_size: int = Field(20, ge=1, le=100, description="The most runs of a page.")


def filtered(query: Filters) -> dict[str, Any]:
    """Return the filters of a query that are given as fields of Find. Raises BadRequest, Invalid."""
    found = {
        "status": None if query.status is None else statuses_of(query.status),
        "session_id": query.session_id,
        "agent": query.agent,
        "root": query.root,
        "since": None if query.since is None else since_of(query.since),
        "text": query.q or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def statuses_of(text: str) -> list[Status]:
    """Return the statuses that a query names. Raises BadRequest."""
    names, valid = text.split(","), sorted(map(str, Status))
    for wrong in [name for name in names if name not in valid]:
        raise BadRequest(f"Invalid status: {wrong}. Valid values: {valid}", field="status")
    return [Status(name) for name in names]


def since_of(text: str) -> int:
    """Return the time that a date, or a duration such as 2h, names: microseconds. Raises Invalid."""
    if (ago := durations.parse(text)) is not None:
        return int(max(0.0, now() - ago * 1e6))
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        forms = "a time such as 2026-12-31T23:59:00Z (a + in a URL is %2B) nor a duration: 90s, 5m, 2h, 3d"
        raise Invalid(f"since: {text[:40]!r} is neither {forms}", field="since") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)


class CancelQuery(WireModel):
    """How to cancel."""

    wait: Flag = Field(True, description="Answer once the process is gone.")


class CancelManyQuery(Filters, CancelQuery):
    """Which runs to cancel, and how."""

    all: Flag = Field(False, description="Cancel also where no filter says which.")


class EventsQuery(WireModel):
    """Where a stream begins, and which page of events it answers to `Accept: application/json`."""

    after: int | None = Field(None, ge=0, lt=2**62, description="An event's id; Last-Event-ID does the same.")
    wait: float = Field(0.0, ge=0, le=300, description="Seconds to wait for something new.")
    limit: int = Field(1000, ge=1, le=10_000, description="The most events of one answer.")


class LogsQuery(WireModel):
    """Which part of the output, and how it is shown."""

    follow: Flag = Field(False, description="Until the run has finished.")
    tail: int | None = Field(None, ge=0, le=10**9, description="Only the last N lines.")
    stream: Literal["stdout", "stderr"] | None = Field(None, description="Only one of the two.")
    since: Since | None = Field(
        None, description="Printed at this time or later, or so long ago: 90s, 5m, 2h."
    )
    timestamps: Flag = Field(False, description="The time before each line, and a space.")
    cursor: str | None = Field(
        None,
        pattern="^[0-9]{1,18}[.][0-9]{1,8}$",
        description="Where an earlier answer began: its Praisonrun-Cursor; without tail and since.",
    )
