"""The state table and every decision about a run: functions from a run to a run.

No clock, no I/O, no await: the time is an argument. All changes of status happen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .errors import WrongState
from .journal import START
from .model import Exit, Failure, Json, Outcome, Run, Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.QUEUED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
FINAL = frozenset(status for status, onward in TRANSITIONS.items() if not onward)
MAX_BACKOFF = 300.0
"""Seconds: the longest pause between two attempts."""


def claim(run: Run, at: int, boot: str) -> Run:
    """Give a queued run to the scheduler, which will start its next attempt."""
    return _move(run, Status.RUNNING, at, attempt=run.attempt + 1, boot=boot, started_at=run.started_at or at)


def unclaim(run: Run, at: int) -> Run:
    """Take back a claim whose process never started."""
    started = run.started_at if run.attempt > 1 else None
    return _move(run, Status.QUEUED, at, attempt=run.attempt - 1, started_at=started)


def cancel(run: Run, at: int, reason: str | None = None, *, journal_end: int = START) -> Run:
    """End a queued run at once; mark a running one, whose process must end first.

    `journal_end` is what earlier attempts left. Raises WrongState for a final run.
    """
    if run.status in FINAL:
        raise WrongState(f"run {run.id} is already {run.status}")
    asked = replace(
        run,
        cancel_requested_at=run.cancel_requested_at or at,
        cancel_reason=run.cancel_reason or reason,
        updated_at=at,
    )
    if run.status is Status.RUNNING:
        return asked
    return _move(
        asked, Status.CANCELLED, at, finished_at=at, error=_cancelled(asked), journal_end=journal_end
    )


def fail(run: Run, failure: Failure, error: str, at: int) -> Run:
    """End a run that cannot be started or was lost; never tried again unasked."""
    return _move(run, Status.FAILED, at, failure=failure, error=error, finished_at=at)


def judge(run: Run, ended: Exit, result: Outcome | None, needs_result: bool) -> Outcome:
    """Say what an attempt's end means.

    In this order: what praisonrun did to it; the agent's own result event (`result`); a structured
    agent (`needs_result`) that ended without one; the exit code.
    """
    told = _told(run, ended)
    if told is not None:
        return told
    if result is not None:
        return result
    if ended.signal is not None:
        return Outcome(Status.FAILED, Failure.EXIT_NONZERO, f"killed by signal {ended.signal}")
    if ended.code:
        return Outcome(Status.FAILED, Failure.EXIT_NONZERO, f"exited with code {ended.code}")
    if needs_result:
        return Outcome(Status.FAILED, Failure.NO_RESULT, "ended without a result event (no result)")
    return Outcome(Status.SUCCEEDED)


def _told(run: Run, ended: Exit) -> Outcome | None:
    match ended.reason:
        case "cancelled":
            return Outcome(Status.CANCELLED, None, _cancelled(run))
        case "timed_out":
            return Outcome(Status.FAILED, Failure.TIMED_OUT, ended.error)
        case "idle_timed_out":
            return Outcome(Status.FAILED, Failure.IDLE_TIMED_OUT, ended.error)
        case "spawn_failed":
            return Outcome(Status.FAILED, Failure.SPAWN_FAILED, ended.error)
        case "lost":
            return Outcome(Status.FAILED, Failure.LOST, ended.error)
        case "env_lost":
            return Outcome(Status.FAILED, Failure.ENV_LOST, ended.error)
    return None


def finish(
    run: Run, ended: Exit, outcome: Outcome, at: int, *, journal_end: int, summary: Mapping[str, Json] | None
) -> Run:
    """Settle an attempt: a final status, or back to the queue when a retry is left.

    Lost runs, runs that could not be spawned and cancelled runs are never tried again.
    """
    settled = replace(run, exit_code=ended.code, signal=ended.signal, pid=ended.pid, metrics=_metrics(ended))
    if _retriable(run, outcome):
        return _move(settled, Status.QUEUED, at, due_at=at + round(pause(run) * 1e6), error=outcome.error)
    return _move(
        settled,
        outcome.status,
        at,
        failure=outcome.failure,
        error=outcome.error,
        finished_at=at,
        journal_end=journal_end,
        summary=summary,
    )


def pause(run: Run) -> float:
    """Return the seconds between the attempt that just failed and the next: doubling, capped."""
    return float(min(run.backoff * 2 ** min(run.attempt - 1, 30), MAX_BACKOFF))


def _retriable(run: Run, outcome: Outcome) -> bool:
    return (
        outcome.status is Status.FAILED
        and outcome.failure not in (Failure.LOST, Failure.SPAWN_FAILED, Failure.ENV_LOST)
        and run.attempt <= run.retries
        and run.cancel_requested_at is None
    )


def _cancelled(run: Run) -> str:
    return f"cancelled: {run.cancel_reason}" if run.cancel_reason else "cancelled"


def _metrics(ended: Exit) -> dict[str, Json]:
    return {
        "wall_seconds": round(ended.wall, 6),
        "cpu_seconds": round(ended.cpu, 6),
        "max_rss_bytes": ended.max_rss,
        "stdout_bytes": ended.stdout,
        "stderr_bytes": ended.stderr,
        "dropped_bytes": ended.dropped,
        "swept_processes": ended.swept,
    }


def _move(run: Run, to: Status, at: int, **changes: Json) -> Run:
    if to not in TRANSITIONS[run.status]:
        raise WrongState(f"run {run.id} is {run.status}; it cannot become {to}")
    return replace(run, status=to, updated_at=at, **changes)
