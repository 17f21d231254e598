"""How the jobs dialect shows runs, results and events: pure functions (contracts: PraisonAI jobs)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...core.clock import iso
from ...core.json import Json, dumps
from ...core.lifecycle import FINAL
from ...core.model import Phase, Run, Snapshot, Status
from ...journal import format as journal
from ...journal.formats import Event
from ...journal.results import Result

STATUS = {
    Status.QUEUED: "queued",
    Status.RUNNING: "running",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
QUEUED_ID = journal.event_id(0, 1)
"""The id of every run's first event."""
DONE = b"data: [DONE]\n\n"


def status_word(shown: Snapshot) -> str:
    """Return the wire's status: a run whose process is being started is still `queued`."""
    if shown.run.status is Status.RUNNING and shown.phase is Phase.STARTING:
        return "queued"
    return STATUS[shown.run.status]


def accepted(shown: Snapshot, base: str) -> dict[str, Json]:
    """Return the body of a 202; `base` is the scheme and host that the client used."""
    url = f"{base}/api/v1/runs/{shown.run.id}"
    return {
        "job_id": shown.run.id,
        "status": status_word(shown),
        "created_at": iso(shown.run.created_at),
        "poll_url": url,
        "stream_url": f"{url}/stream",
    }


def status(shown: Snapshot) -> dict[str, Json]:
    """Return the status object."""
    run, word = shown.run, status_word(shown)
    final = run.status in FINAL
    return {
        "job_id": run.id,
        "status": word,
        "progress": _progress(shown),
        "created_at": iso(run.created_at),
        "started_at": None if word == "queued" else iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "agent_id": run.agent,
        "run_id": run.id,
        "session_id": run.session_id,
        "error": run.error if final else None,
        "retry_after": None if final else 1,
        "agent": run.agent,
        "exit_code": run.exit_code,
        "timeout": run.timeout,
        "attempt": run.attempt,
        "failure": run.failure,
        "metadata": run.metadata,
        "retry_of": run.origin,
        "parent": run.parent,
        "root": run.root or run.id,
    }


def _progress(shown: Snapshot) -> dict[str, Json]:
    told = shown.progress
    whole = 100.0 if shown.run.status is Status.SUCCEEDED else 0.0
    return {
        "percentage": told.get("percentage", whole),
        "current_step": told.get("step"),
        "steps_completed": told.get("steps_completed", 0),
        "steps_total": told.get("steps_total"),
    }


def result(shown: Snapshot, answer: Result, base: str) -> dict[str, Json]:
    """Return the result object of a final run."""
    run = shown.run
    return {
        "job_id": run.id,
        "status": STATUS[run.status],
        "result": answer.value,
        "result_url": None if answer.complete else f"{base}/api/v1/runs/{run.id}/logs?stream=stdout",
        "metrics": {**(run.metrics or {}), **({"usage": shown.usage} if shown.usage else {})},
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "duration_seconds": _duration(run),
        "error": run.error,
    }


def _duration(run: Run) -> float | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return round((run.finished_at - run.started_at) / 1e6, 6)


class Told(NamedTuple):
    """One event in the dialect's words."""

    id: int
    name: str
    fields: dict[str, Json]


def told(run_id: str, event: Event) -> Told | None:
    """Return a journal's event in the dialect's words; None for what only the final row may tell."""
    fields: dict[str, Json]
    match event.name:
        case "result":
            return None
        case "progress":
            fields = {"percentage": 0.0, "step": None} | event.data
        case "status":
            fields = {**event.data, "job_id": run_id}
        case _:
            fields = event.data
    return Told(event.id, event.name, fields)


def first(run: Run) -> Told:
    """Return the event that opens every stream."""
    return Told(QUEUED_ID, "status", {"status": "queued", "job_id": run.id})


def last(shown: Snapshot, answer: Result, base: str) -> list[Told]:
    """Return the two events that close the stream of a final run."""
    run = shown.run
    assert run.journal_end is not None
    match run.status:
        case Status.SUCCEEDED:
            name, fields = (
                "result",
                {"result": answer.value, "result_url": result(shown, answer, base)["result_url"]},
            )
        case Status.CANCELLED:
            name, fields = "cancelled", {"message": run.error}
        case _:
            name, fields = "error", {"error": run.error, "failure": run.failure, "exit_code": run.exit_code}
    return [
        Told(journal.event_id(run.journal_end, 0), name, fields),
        Told(done_id(run), "complete", {"status": STATUS[run.status], "job_id": run.id}),
    ]


def done_id(run: Run) -> int:
    """Return the id of a final run's last event."""
    assert run.journal_end is not None
    return journal.event_id(run.journal_end, journal.IDS_PER_BYTE - 1)


def payload(event: Told) -> dict[str, Json]:
    """Return the one shape that serves the wire's code, documentation and command line at once.

    The name stands beside the fields, and the fields once more under `data`.
    """
    nested = dict(event.fields)
    if event.name == "progress":  # its reader prints whatever stands there, a null as "None"
        nested["current_step"] = nested.pop("step") or nested.get("message", "")
    return {**event.fields, "event": event.name, "data": nested}


def sse(events: Iterable[Told]) -> bytes:
    """Return events as one chunk of Server-Sent Events."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), dumps(payload(event)))
        for event in events
    )


def ndjson(events: Iterable[Told]) -> bytes:
    """Return events as lines of JSON."""
    return b"".join(dumps({"id": event.id, **payload(event)}) + b"\n" for event in events)
