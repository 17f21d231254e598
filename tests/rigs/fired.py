"""Counts how often each rule of the engine's model fired, each branch of its fakes and each end it saw.

A branch that never fired proves nothing, so a run of the model that leaves one out fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S")

SHIMS = (
    "a shim died before its agent started", "a shim waited with its spec", "a shim waited with its agent",
    "a shim lost its server before its spec", "a shim ended a cancelled agent",
    "a shim ended a cancelled install", "a shim did not hear a cancel", "a shim was killed",
    "a shim left a torn frame", "an install began", "an install ended well", "an install failed",
    "a result was good", "a result was bad", "scratch was kept", "scratch was removed",
    "pidfds are missing", "a signal went by pid", "a signal went by pidfd",
    "a process to signal was gone", "a start was refused for now", "a start was refused for good",
)  # fmt: skip
DISK = (
    "a read failed", "a write failed", "a version was not read", "a journal was not made",
    "a lock was not seen", "a spec was not made", "scratch was not removed", "scratch was removed slowly",
    "a power cut took bytes", "a power cut left zeros",
)  # fmt: skip
OTHERS = (
    "a receiver took it", "a receiver refused", "a receiver did not answer", "a service answered",
    "a service did not answer",
)  # fmt: skip
SERVER = (
    "the server slept", "the server slept long", "the server stopped", "the server crashed",
    "the server crashed before an answer", "the server crashed after an answer", "the machine restarted",
    "retention ran",
)  # fmt: skip
ANSWERS = (
    "the queue was full", "a key was replayed", "a key was reused", "a parent was cancelled",
    "a run was deleted", "a run was released", "a run was retried", "a service was restarted",
    "a restart came while scratch was removed", "a restart was rejected",
    "an error of the disk was answered", "a run waited for a resume", "a resume was rejected",
)  # fmt: skip
ENDS = (
    "succeeded", "cancelled", "tried again", "given back", "failed: exit_nonzero", "failed: timed_out",
    "failed: idle_timed_out", "failed: agent_error", "failed: no_result", "failed: install_failed",
    "failed: lost", "failed: spawn_failed", "failed: env_lost", "failed: readiness_failed",
    "failed: exited",
)  # fmt: skip
BRANCHES = frozenset((*SHIMS, *DISK, *OTHERS, *SERVER, *ANSWERS, *ENDS))

rules: set[str] = set()
"""The names of all rules."""
counts: Counter[str] = Counter()
"""How often each rule and branch fired since the last `clear`."""


def fired(branch: str) -> None:
    """Count a branch."""
    assert branch in BRANCHES, f"{branch!r} is not in the table of branches"
    counts[branch] += 1


def counted(rule: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Count each run of a rule."""
    name = f"rule {rule.__name__}"
    rules.add(name)

    @wraps(rule)
    def run(self: S, /, *args: P.args, **named: P.kwargs) -> None:
        counts[name] += 1
        rule(self, *args, **named)

    return run


def never() -> list[str]:
    """Return what has not fired."""
    return sorted((rules | BRANCHES) - counts.keys())


def table() -> str:
    """Return all counts in one line, the rarest first."""
    return ", ".join(
        f"{name} {counts[name]}" for name in sorted(rules | BRANCHES, key=lambda name: counts[name])
    )
