"""How the jobs dialect shows runs and results. Field names are the wire's (contracts: PraisonAI jobs)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...core.clock import iso
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot, Status
from ...journal.results import Result
from ...web.fields import WireModel
from ...web.operations import Answer

RUNS = "/api/v1/runs"
RUN = RUNS + "/{run_id}"

AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
NOT_FOUND = {404: Answer("No such run.")}
BAD_QUERY = {422: Answer("A query parameter at fault; `errors` names it.")}
WRONG_STATE = {409: Answer("The run's status does not allow it.")}
FOLLOWED = {**NOT_FOUND, **BAD_QUERY, 503: Answer("Too many streams are open.", headers=AGAIN)}


def url_of(run: Run, base: str) -> str:
    """Return a run's URL; `base` is the scheme and host that the client used, or the server's own."""
    return f"{base}{RUNS}/{run.id}"


class Accepted(WireModel):
    """A run that was taken."""

    job_id: str
    status: str
    created_at: str
    poll_url: str
    stream_url: str
    warnings: list[str] = Field([], description="Fields that mean nothing here, if there are any.")


def accepted(shown: Snapshot, base: str, warnings: list[str]) -> dict[str, Json]:
    """Return the body of a 202."""
    url = url_of(shown.run, base)
    return {
        "job_id": shown.run.id,
        "status": shown.visible_status.value,
        "created_at": iso(shown.run.created_at),
        "poll_url": url,
        "stream_url": f"{url}/stream",
        **({"warnings": warnings} if warnings else {}),
    }


class ProgressShown(WireModel):
    """How far a run says it is."""

    percentage: float
    current_step: str | None
    steps_completed: int
    steps_total: int | None


class JobStatus(WireModel):
    """A run as a poll shows it. Every key is always present."""

    job_id: str
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: ProgressShown
    created_at: str
    started_at: str | None
    completed_at: str | None
    agent_id: str | None
    run_id: str | None
    session_id: str | None
    error: str | None
    error_tail: str | None = Field(description="The last lines that the agent of a failed run wrote.")
    retry_after: int | None
    agent: str
    exit_code: int | None
    signal: int | None = Field(description="The signal that killed the agent; its exit_code is null then.")
    timeout: float | None
    attempt: int
    failure: str | None
    metadata: dict[str, Json] | None
    retry_of: str | None
    parent: str | None
    root: str


class JobList(WireModel):
    """A page of runs, newest first."""

    jobs: list[JobStatus]
    total: int
    page: int
    page_size: int


def status(shown: Snapshot) -> dict[str, Json]:
    """Return the status object."""
    run, progress, visible = shown.run, shown.progress, shown.visible_status
    final = run.status in FINAL
    return {
        "job_id": run.id,
        "status": visible.value,
        "progress": {
            "percentage": progress.get("percentage", 100.0 if run.status is Status.SUCCEEDED else 0.0),
            "current_step": progress.get("step"),
            "steps_completed": progress.get("steps_completed", 0),
            "steps_total": progress.get("steps_total"),
        },
        "created_at": iso(run.created_at),
        "started_at": None if visible is Status.QUEUED else iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "agent_id": run.agent,
        "run_id": run.id,
        "session_id": run.session_id,
        "error": run.error if final else None,
        "error_tail": run.error_tail if final else None,
        "retry_after": None if final else 1,
        "agent": run.agent,
        "exit_code": run.exit_code if final else None,
        "signal": run.signal if final else None,
        "timeout": run.timeout,
        "attempt": run.attempt,
        "failure": run.failure,
        "metadata": run.metadata,
        "retry_of": run.origin,
        "parent": run.parent,
        "root": run.root or run.id,
    }


class JobResult(WireModel):
    """What a final run answered and used."""

    job_id: str
    status: Literal["succeeded", "failed", "cancelled"]
    result: Json
    result_url: str | None
    metrics: dict[str, Json] | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    error: str | None
    error_tail: str | None


def result(shown: Snapshot, answer: Result, base: str) -> dict[str, Json]:
    """Return the result object of a final run."""
    run = shown.run
    return {
        "job_id": run.id,
        "status": run.status.value,
        "result": answer.value,
        "result_url": result_url(run, answer, base),
        "metrics": {**(run.metrics or {}), **({"usage": shown.usage} if shown.usage else {})},
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "duration_seconds": None if run.duration is None else round(run.duration / 1e6, 6),
        "error": run.error,
        "error_tail": run.error_tail,
    }


def result_url(run: Run, answer: Result, base: str) -> str | None:
    """Return the URL of the whole answer; None if `result` is whole."""
    return None if answer.complete else f"{url_of(run, base)}/logs?stream=stdout"
