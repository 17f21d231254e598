"""How the jobs dialect shows runs and results: pure functions (contracts: PraisonAI jobs)."""

from __future__ import annotations

from ...core.clock import iso
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot, Status
from ...journal.results import Result

STATUS = {
    Status.QUEUED: "queued",
    Status.RUNNING: "running",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


def status_word(shown: Snapshot) -> str:
    """Return the wire's status."""
    return STATUS[shown.visible_status]


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
        "exit_code": run.exit_code if final else None,
        "timeout": run.timeout,
        "attempt": run.attempt,
        "failure": run.failure,
        "metadata": run.metadata,
        "retry_of": run.origin,
        "parent": run.parent,
        "root": run.root or run.id,
    }


def _progress(shown: Snapshot) -> dict[str, Json]:
    progress = shown.progress
    whole = 100.0 if shown.run.status is Status.SUCCEEDED else 0.0
    return {
        "percentage": progress.get("percentage", whole),
        "current_step": progress.get("step"),
        "steps_completed": progress.get("steps_completed", 0),
        "steps_total": progress.get("steps_total"),
    }


def result(shown: Snapshot, answer: Result, base: str) -> dict[str, Json]:
    """Return the result object of a final run."""
    run = shown.run
    return {
        "job_id": run.id,
        "status": STATUS[run.status],
        "result": answer.value,
        "result_url": result_url(run, answer, base),
        "metrics": {**(run.metrics or {}), **({"usage": shown.usage} if shown.usage else {})},
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "duration_seconds": None if run.duration is None else round(run.duration / 1e6, 6),
        "error": run.error,
    }


def result_url(run: Run, answer: Result, base: str) -> str | None:
    """Return the URL of the whole answer; None if `result` is whole."""
    return None if answer.complete else f"{base}/api/v1/runs/{run.id}/logs?stream=stdout"
