"""The state table and every decision about a run: functions from a run to a run.

No clock, no I/O, no await: the time is an argument. All changes of status happen here.
"""

from __future__ import annotations

from collections.abc import Mapping

from .agent import Agent
from .errors import WrongState
from .judge import cancelled
from .model import Exit, Failure, Json, Mode, Outcome, Run, Status
from .usage import Used, counted

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.QUEUED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
FINAL = frozenset(status for status, onward in TRANSITIONS.items() if not onward)
EMPTY_JOURNAL = 64
"""The `journal_end` of a run that ends without a journal: the offset of a first frame."""
_FRESH: dict[str, Json] = {"exit_code": None, "signal": None, "pid": None, "error": None, "error_tail": None}
"""What a run that is not finished does not have: it is about an attempt that is over."""
MAX_BACKOFF = 300.0
"""Seconds: the longest pause between two attempts."""
START_PATIENCE = 600.0
"""Seconds for which a run waits for the trouble to pass that keeps its agent from being started."""
START_PAUSE = 60
"""Seconds: the longest pause between two tries to start it."""
START_TRIES = 10
"""Tries that it has whatever the clock says: one that is set ahead ends no patience."""


def claim(run: Run, at: int, boot: str, claim: str) -> Run:
    """Give a queued run to the scheduler, which will start its next attempt. `claim` is new each time."""
    number, started = run.attempt + 1, run.started_at or _later(run, at)
    fresh = {**_FRESH, "attempt": number, "boot": boot, "claim": claim, "started_at": started}
    return _move(run, Status.RUNNING, at, **fresh)


def unclaim(run: Run, at: int, trouble: str | None = None) -> Run:
    """Take back a claim whose agent never started; after `trouble` it is claimed again after a pause."""
    started = run.started_at if run.attempt > 1 else None
    end = run.journal_end if run.attempt > 1 else None  # of a service that was cancelled before it ever ran
    queued = _move(run, Status.QUEUED, at, attempt=run.attempt - 1, started_at=started, journal_end=end)
    if run.cancel_requested_at is not None:
        return cancel(queued, at)
    if trouble is None:
        return queued
    return queued._replace(
        error=trouble, uncounted=run.uncounted + 1, not_started_since=min(run.not_started_since or at, at),
        due_at=at + _start_pause(run.uncounted),
    )  # fmt: skip


def _start_pause(tries: int) -> int:
    """Return the microseconds between a try to start a run and the next, after some `tries` before it."""
    return min(1 << min(tries, 30), START_PAUSE) * 1_000_000


def hasten(run: Run, at: int) -> Run:
    """Let a queued run wait no longer than its pause, whose start a clock that was set back has hidden."""
    longest = _start_pause(run.uncounted - 1) if run.uncounted else round(pause(run) * 1e6)
    return run._replace(due_at=min(run.due_at, at + longest))


def may_start(run: Run, at: int) -> bool:
    """Say whether a run that was not started waits on for the trouble to pass."""
    return run.uncounted < START_TRIES or at - (run.not_started_since or at) < START_PATIENCE * 1e6


def release(run: Run, at: int) -> Run:
    """Let a held run be claimed. Raises WrongState for any other."""
    if run.status is not Status.QUEUED or not run.held:
        raise WrongState(f"run {run.id} is {run.status}, and not held")
    return run._replace(held=False, due_at=0, updated_at=_later(run, at))


def cancel(run: Run, at: int, reason: str | None = None, *, keep_scratch: bool = False) -> Run:
    """End a queued run at once; mark a running one, whose process must end first. Raises WrongState."""
    if run.status in FINAL:
        raise WrongState(f"run {run.id} is already {run.status}")
    at = _later(run, at)
    asked = run._replace(
        cancel_requested_at=run.cancel_requested_at or at,
        cancel_reason=run.cancel_reason or reason,
        retain_on_failure=keep_scratch or run.retain_on_failure,
        updated_at=at,
    )
    if run.status is Status.RUNNING:
        return asked
    end = run.journal_end or EMPTY_JOURNAL
    return _move(asked, Status.CANCELLED, at, finished_at=at, error=cancelled(asked), journal_end=end)


def disown(run: Run, at: int, journal_end: int) -> Run:
    """End a run of a copied store: what it started, or would start, belongs to the original."""
    if run.status is not Status.RUNNING:
        return cancel(run, at, "adopted from a copy; retry it")
    ended = Exit(run.attempt, "lost", error="lost: its process belongs to the original")
    outcome = Outcome(Status.FAILED, Failure.LOST, ended.error)
    return finish(run, ended, outcome, at, journal_end=journal_end, summary=run.summary)


def restart(run: Run, at: int, env_names: tuple[str, ...] = ()) -> Run:
    """Queue a final service again, under its id and in its journal, as if it were new. Raises WrongState."""
    if run.mode is not Mode.SERVICE:
        raise WrongState(f"run {run.id} is no service; retry it as a new run")
    if run.status not in FINAL:
        raise WrongState(f"service {run.id} is {run.status}; it must end before it is started again")
    return run._replace(  # not by `_move`: the only way out of a final state
        **_FRESH, status=Status.QUEUED, updated_at=_later(run, at), due_at=0, env_names=env_names,
        started_at=None, finished_at=None, ready_at=None, cancel_requested_at=None, cancel_reason=None,
        failure=None, scratch_until=None, summary=None, metrics=None, uncounted=0, not_started_since=None,
        **Used()._asdict(),  # each life of a service is counted on its own
    )  # fmt: skip


def ready(run: Run, at: int) -> Run:
    """Note that a service answers for the first time in this attempt."""
    if run.ready_at is not None:
        return run
    at = _later(run, at)
    return run._replace(ready_at=at, updated_at=at)


def may_keep_scratch(run: Run, agent: Agent) -> bool:
    """Say whether a scratch directory might be kept: of a service only its end tells."""
    wanted = agent.retain.on_failure if run.retain_on_failure is None else run.retain_on_failure
    return agent.files and (wanted or run.mode is Mode.SERVICE)


def keeps_scratch(run: Run, agent: Agent, outcome: Outcome) -> int | None:
    """Return for how many seconds a run that ended so keeps its scratch directory, None for not at all.

    A failed one where the submit or else the agent says so; a stopped service only where its stop said so.
    """
    never_ran = outcome.failure in (Failure.SPAWN_FAILED, Failure.ENV_LOST)
    failed = outcome.status is Status.FAILED and not never_ran
    stopped = outcome.status is Status.CANCELLED and run.mode is Mode.SERVICE
    default = failed and agent.retain.on_failure
    wanted = default if run.retain_on_failure is None else run.retain_on_failure
    if not (agent.files and wanted and (failed or stopped)):
        return None
    return run.retention_seconds or agent.retain.seconds


def finish(
    run: Run,
    ended: Exit,
    outcome: Outcome,
    at: int,
    *,
    journal_end: int,
    summary: Mapping[str, Json] | None,
    keep: int | None = None,
    tail: str | None = None,
    anew: bool = False,
    uncounted: int = 0,
) -> Run:
    """Settle an attempt: a final status, or the queue when a retry is left. `keep` is `keeps_scratch`'s.

    `anew` says that its agent did not know its conversation: the next attempt begins that anew, at once. Of
    the attempts before, `uncounted` ended so; none of these is counted against its retries.

    `summary` is of all attempts; a run that is tried again keeps its usage, because it may be cancelled
    before. `tail` is what the agent of a failed attempt wrote last.
    """
    usage = (summary or {}).get("usage")
    used = counted(usage or {})._asdict()
    settled = run._replace(metrics=_metrics(ended), journal_end=journal_end, **used)
    anew = anew and may_run_again(run, outcome)
    if anew or retriable(run, outcome, uncounted):
        due = 0 if anew else at + round(pause(run) * 1e6)
        again = {
            "error": outcome.error,
            "error_tail": tail,
            "summary": {"usage": usage} if usage else None,
            "due_at": due,
            "uncounted": 0,
            "not_started_since": None,
        }
        return _move(settled, Status.QUEUED, at, **_FRESH | again)
    at = _later(run, at)
    return _move(
        settled, outcome.status, at, finished_at=at, failure=outcome.failure, error=outcome.error,
        error_tail=tail, exit_code=ended.code, signal=ended.signal, pid=ended.pid, summary=summary,
        scratch_until=None if keep is None else at + keep * 1_000_000,
    )  # fmt: skip


def pause(run: Run) -> float:
    """Return the seconds between the attempt that just failed and the next: doubling, capped."""
    return float(min(run.backoff * 2 ** min(run.attempt - 1, 30), MAX_BACKOFF))


def retriable(run: Run, outcome: Outcome, uncounted: int = 0) -> bool:
    """Say whether an attempt that came to this is followed by another, because a retry is left."""
    return may_run_again(run, outcome) and run.attempt - uncounted <= run.retries


def may_run_again(run: Run, outcome: Outcome) -> bool:
    """Say whether an attempt that came to this may be followed by another."""
    return (
        outcome.status is Status.FAILED
        and run.mode is Mode.RUN
        and outcome.failure not in (Failure.LOST, Failure.SPAWN_FAILED, Failure.ENV_LOST)
        and run.cancel_requested_at is None
    )


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


def _later(run: Run, at: int) -> int:
    """Return the time of a change, which is never before the change before it, whatever the clock says."""
    return max(at, run.updated_at)


def _move(run: Run, to: Status, at: int, **changes: Json) -> Run:
    if to not in TRANSITIONS[run.status]:
        raise WrongState(f"run {run.id} is {run.status}; it cannot become {to}")
    return run._replace(status=to, updated_at=_later(run, at), **changes)
