"""What the end of an attempt means: an outcome, from an exit and from what the agent said of its end."""

from __future__ import annotations

from .model import Exit, Failure, Mode, Outcome, Run, Status, Verdict

_OURS = {
    **{name: Failure(name) for name in ("timed_out", "idle_timed_out", "install_failed", "lost", "env_lost")},
    **dict.fromkeys(("spawn_failed", "not_started"), Failure.SPAWN_FAILED),
}
"""Reasons of ends that are failures: what praisonrun did to an attempt."""


def judge(run: Run, ended: Exit, said: Verdict, *, needs_result: bool, needs_answer: bool = False) -> Outcome:
    """Say what an attempt's end means.

    In this order: what praisonrun did to it; the agent's own word (`said`), where it says success or failure;
    its exit code; a structured agent (`needs_result`) that left neither a result event nor a result file;
    an agent that owes an answer and gave none.
    """
    if ended.reason in _OURS:
        return Outcome(Status.FAILED, _OURS[ended.reason], _with_trouble(ended.error, said))
    if run.mode is Mode.SERVICE:
        return _judge_service(run, ended)
    if ended.reason == "cancelled":
        return Outcome(Status.CANCELLED, None, cancelled(run))
    if said.error is not None:
        return Outcome(Status.FAILED, Failure.AGENT_ERROR, _with_trouble(said.error, said))
    if not said.certain and (ended.signal is not None or ended.code):
        return Outcome(Status.FAILED, Failure.EXIT_NONZERO, _with_trouble(_ended(ended), said))
    if needs_result and not (said.ended or ended.result):
        return Outcome(Status.FAILED, Failure.NO_RESULT, _with_trouble(_no_result(ended), said))
    if needs_answer and not (said.answered or ended.result):
        return Outcome(Status.FAILED, Failure.NO_RESULT, f"{_ended(ended)}, but without an answer")
    return Outcome(Status.SUCCEEDED)


def _with_trouble(why: str | None, said: Verdict) -> str | None:
    """Return why an attempt failed, with what the agent said last of its tries to reach its model."""
    trouble = said.trouble
    if not why or not trouble or trouble in why or why in trouble:
        return why
    return f"{why}; it last said: {trouble}"


def _no_result(ended: Exit) -> str:
    why = "ended without a result event (no result)"
    if ended.dropped:
        how = "print less, or write it to PRAISONRUN_RESULT_PATH"
        why += f"; the output cap dropped {ended.dropped} bytes, perhaps it among them: {how}"
    return ended.error or why


def _judge_service(run: Run, ended: Exit) -> Outcome:
    """A service never succeeds: it was stopped, it was never ready, or it ended unasked."""
    if run.cancel_requested_at is not None:
        return Outcome(Status.CANCELLED, None, cancelled(run))
    if run.ready_at is not None:
        return Outcome(Status.FAILED, Failure.EXITED, _ended(ended))
    late = ended.reason == "cancelled"  # by its own readiness deadline; see `services`
    error = "readiness probe timed out" if late else f"{_ended(ended)} before it was ready"
    return Outcome(Status.FAILED, Failure.READINESS_FAILED, error)


def _ended(ended: Exit) -> str:
    return f"exited with code {ended.code}" if ended.signal is None else f"killed by signal {ended.signal}"


def cancelled(run: Run) -> str:
    """Return the error of a run that was cancelled."""
    return f"cancelled: {run.cancel_reason}" if run.cancel_reason else "cancelled"
