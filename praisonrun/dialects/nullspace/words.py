"""The ids, statuses and reasons that the Nullspace dialect has for what it shows: pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ...core.model import Condition, Failure, Mode, Phase, Run, ServiceHealth, Snapshot, Status
from ...store import Find

MODE = {Mode.RUN: "job", Mode.SERVICE: "service"}
TIMED_OUT = frozenset({Failure.TIMED_OUT, Failure.IDLE_TIMED_OUT})
ROWS: Mapping[Mode, Mapping[str, Find]] = {
    Mode.RUN: {
        **{status: Find(status=(status,)) for status in Status},
        **dict.fromkeys(Phase, Find(status=(Status.RUNNING,))),
        "failed": Find(status=(Status.FAILED,), failure=frozenset(Failure) - TIMED_OUT),
        "timed_out": Find(status=(Status.FAILED,), failure=TIMED_OUT),
    },
    Mode.SERVICE: {
        **dict.fromkeys(Condition, Find(status=(Status.QUEUED, Status.RUNNING))),
        "stopped": Find(status=(Status.CANCELLED,)),
        "failed": Find(status=(Status.FAILED,)),
    },
}
"""The rows that may have a status here; only the live process tells the phases and conditions apart."""


def rows(mode: Mode, status: str | None) -> Find:
    """Return the rows that may have one of some statuses, with commas between them."""
    found = [ROWS[mode][word] for word in status.split(",")] if status else [Find()]
    if len(found) == 1:
        return found[0]
    return Find(status={own for one in found for own in one.status or ()})


_PREFIX = {Mode.RUN: "adrun_", Mode.SERVICE: "adsvc_"}
_OURS = "run_"
_FOREIGN = "~"
"""Marks a caller's own id that lacks our prefix. No id contains this character, so no two names collide."""


def deployment_id(agent: str) -> str:
    """Return the id of an agent."""
    return f"adpl_{hashlib.sha256(agent.encode()).hexdigest()[:12]}"


def version_id(digest: str) -> str:
    """Return the id of a version."""
    return f"adpv_{digest[:12]}"


def wire_id(run: Run) -> str:
    """Return the id of a run or service."""
    return _PREFIX[run.mode] + _suffix(run.id)


def run_id_of(wire: str, mode: Mode) -> str | None:
    """Return the id of the run with this dialect's id; None for an id of another kind."""
    if not wire.startswith(_PREFIX[mode]):
        return None
    suffix = wire.removeprefix(_PREFIX[mode])
    return suffix.removeprefix(_FOREIGN) if suffix.startswith(_FOREIGN) else _OURS + suffix


def sandbox_id(shown: Snapshot) -> str | None:
    """Return the name of a run's scratch directory while there is one."""
    return f"sb_{_suffix(shown.run.id)}" if shown.scratch else None


def _suffix(run_id: str) -> str:
    return run_id.removeprefix(_OURS) if run_id.startswith(_OURS) else _FOREIGN + run_id


def process_id(shown: Snapshot) -> int | None:
    """Return the process of the latest attempt; None until it has one."""
    return None if shown.visible_status is Status.QUEUED else shown.pid


def status(shown: Snapshot) -> str:
    """Return the status of a run or service. A run's timeout is a status of its own here."""
    run = shown.run
    if run.mode is Mode.SERVICE:
        ended = "failed" if run.status is Status.FAILED else "stopped"
        return str(health(shown).condition) if run.finished_at is None else ended
    if run.status is Status.RUNNING:
        return str(shown.phase or Phase.STARTING)
    return "timed_out" if run.failure in TIMED_OUT else str(run.status)


def health(shown: Snapshot) -> ServiceHealth:
    """Return how a service is, also while nothing looks at it."""
    asked = shown.run.cancel_requested_at is not None
    return shown.health or ServiceHealth(Condition.STOPPING if asked else Condition.STARTING)


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
            code, signal = run.exit_code, run.signal
            how = f"exited with {code}" if signal is None else f"killed by signal {signal}"
            _, separator, lines = error.partition("; its last lines:\n")
            return f"entrypoint command {how}{separator}{lines}"
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
