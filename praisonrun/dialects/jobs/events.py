"""A run's events in the jobs dialect's words (contracts: PraisonAI jobs)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...core.json import Json, dumps
from ...core.model import Run, Snapshot, Status
from ...journal.format import IDS_PER_BYTE, Frame, event_id
from ...journal.formats import Event, frame_events
from ...journal.results import Result
from .show import result_url

QUEUED_ID = event_id(0, 1)
"""The id of every run's first event."""
DONE = b"data: [DONE]\n\n"


class WireEvent(NamedTuple):
    """One event in the dialect's words."""

    id: int
    name: str
    fields: dict[str, Json]


class JobEvents:
    """The events of one run."""

    def __init__(self, run: Run, format_name: str) -> None:
        self._run_id, self._format = run.id, format_name

    def first(self) -> list[WireEvent]:
        """Return the event that opens every stream."""
        return [WireEvent(QUEUED_ID, "status", {"status": "queued", "job_id": self._run_id})]

    def events(self, frames: list[Frame]) -> list[WireEvent]:
        """Return the events of some frames, without `result`: only the final row may state it."""
        return [
            WireEvent(event.id, event.name, self._fields(event))
            for frame in frames
            for event in frame_events(self._format, frame)
            if event.name != "result"
        ]

    def _fields(self, event: Event) -> dict[str, Json]:
        if event.name == "progress":
            return {"percentage": 0.0, "step": None} | event.data
        return {**event.data, "job_id": self._run_id} if event.name == "status" else event.data

    def last(self, shown: Snapshot, answer: Result, base: str) -> list[WireEvent]:
        """Return the two events that close the stream of a final run: its outcome, and `complete`."""
        run = shown.run
        assert run.journal_end is not None
        name, fields = _outcome(run, answer, base)
        return [
            WireEvent(event_id(run.journal_end, 0), name, fields),
            WireEvent(done_id(run), "complete", {"status": run.status.value, "job_id": run.id}),
        ]

    def outside(self, run: Run, after: int) -> bool:
        """Say whether a cursor names an event of the row, or nothing yet."""
        if after <= QUEUED_ID:
            return True
        return run.journal_end is not None and after in (event_id(run.journal_end, 0), done_id(run))


def _outcome(run: Run, answer: Result, base: str) -> tuple[str, dict[str, Json]]:
    match run.status:
        case Status.SUCCEEDED:
            return "result", {"result": answer.value, "result_url": result_url(run, answer, base)}
        case Status.CANCELLED:
            return "cancelled", {"message": run.error}
    return "error", {"error": run.error, "failure": run.failure, "exit_code": run.exit_code}


def done_id(run: Run) -> int:
    """Return the id of a final run's last event."""
    assert run.journal_end is not None
    return event_id(run.journal_end, IDS_PER_BYTE - 1)


def payload(event: WireEvent) -> dict[str, Json]:
    """Return an event in the one form that PraisonAI's code, documentation and command line all read.

    It has the name beside the fields, and the fields again under `data`.
    """
    nested = dict(event.fields)
    if event.name == "progress":  # its reader prints any value, a null as "None"
        nested["current_step"] = nested.pop("step") or nested.get("message", "")
    return {**event.fields, "event": event.name, "data": nested}


def sse(events: Iterable[WireEvent]) -> bytes:
    """Return events as one chunk of Server-Sent Events."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), dumps(payload(event)))
        for event in events
    )


def ndjson(events: Iterable[WireEvent]) -> bytes:
    """Return events as lines of JSON."""
    return b"".join(dumps({"id": event.id, **payload(event)}) + b"\n" for event in events)
