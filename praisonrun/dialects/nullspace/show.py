"""How the Nullspace dialect shows runs: pure functions."""

from __future__ import annotations

import json

from ...core.clock import iso
from ...core.json import Json
from ...core.model import Failure, Phase, Run, Snapshot, Status
from .ids import deployment_id, sandbox_id, version_id, wire_id
from .show_agents import MODE

STATUS = {
    Status.QUEUED: "queued",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
TIMED_OUT = frozenset({Failure.TIMED_OUT, Failure.IDLE_TIMED_OUT})


def process_id(shown: Snapshot) -> int | None:
    """Return the process of a run's latest attempt; None until it has one."""
    return None if shown.visible_status is Status.QUEUED else shown.pid


def run_word(shown: Snapshot) -> str:
    """Return a run's status. A timeout is a status of its own here."""
    run = shown.run
    if run.status is Status.RUNNING:
        return str(shown.phase or Phase.STARTING)
    return "timed_out" if run.failure in TIMED_OUT else STATUS[run.status]


def run(shown: Snapshot) -> dict[str, Json]:
    """Return a run."""
    run = shown.run
    final = run.finished_at is not None
    return {
        "id": wire_id(run),
        "deployment_id": deployment_id(run.agent),
        "version_id": version_id(run.version),
        "mode": MODE[run.mode],
        "status": run_word(shown),
        "input": _input(run),
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "retain_on_failure": run.retain_on_failure,
        "retention_seconds": run.retention_seconds,
        "sandbox_id": sandbox_id(shown),
        "process_id": process_id(shown),
        "exit_code": run.exit_code if final else None,
        "failure_reason": failure_reason(run) if final else None,
        "output_manifest": manifest(run),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "idempotency_key": run.key,
    }


def manifest(run: Run) -> dict[str, Json]:
    """Return the manifest of a run's outputs; {} before its end."""
    if run.finished_at is None:
        return {}
    found: dict[str, Json] = (run.summary or {}).get("outputs") or {"outputs": []}
    return found


def _input(run: Run) -> dict[str, Json]:
    if run.input is None:
        return {"prompt": run.prompt}
    value = json.loads(run.input)
    return value if isinstance(value, dict) else {"input": value}


def failure_phase(run: Run) -> str | None:
    """Return the word that clients sort failures by."""
    if run.status is Status.CANCELLED:
        return "cancel"
    phases = {Failure.INSTALL_FAILED: "install", Failure.READINESS_FAILED: "readiness"}
    return None if run.failure is None else phases.get(run.failure, "entrypoint")


def failure_reason(run: Run) -> str | None:
    """Return why a final run did not succeed, in the words that clients look for."""
    error = run.error or "no reason was given"
    match run.failure:
        case None:
            return run.error if run.status is Status.CANCELLED else None
        case Failure.EXIT_NONZERO | Failure.EXITED:
            how = (
                f"killed by signal {run.signal}" if run.signal is not None else f"exited with {run.exit_code}"
            )
            return f"entrypoint command {how}{_log_of(error)}"
        case Failure.TIMED_OUT:
            return f"entrypoint timed out after {run.timeout:g}s" if run.timeout else f"entrypoint {error}"
        case Failure.IDLE_TIMED_OUT:
            return f"entrypoint timed out: {error}"
        case Failure.INSTALL_FAILED:
            return error
        case Failure.READINESS_FAILED:
            return error if error.startswith("readiness") else f"readiness failed: {error}"
        case Failure.LOST:
            return f"entrypoint {error}"
    return f"entrypoint failed: {error}"


def _log_of(error: str) -> str:
    _, separator, log = error.partition("; its last lines:\n")
    return separator + log
