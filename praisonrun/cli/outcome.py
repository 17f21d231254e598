"""How a run is: in words, as an exit code, and what a person may do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import counted
from .ids import short
from .text import BETWEEN

FINISHED = ("succeeded", "failed", "cancelled")
TIMED_OUT = 124
REJECTED = 125
"""What a command that ends as its run does ends with where none ran, or its result could not be written."""
SIGNALLED = 128
INTERRUPTED = 130


def finished(run: Mapping[str, Any]) -> bool:
    return run["status"] in FINISHED


def in_words(run: Mapping[str, Any]) -> str:
    """Return how a run is: `failed: exited with code 3`, `queued: every slot is taken`, `running`."""
    why = run.get("error") or run.get("queue_reason")
    return f"{run.get('status')}: {why}" if why and why != run.get("status") else str(run.get("status"))


def exit_code(run: Mapping[str, Any]) -> int:
    """Return the exit code for a finished run."""
    if run.get("status") == "succeeded":
        return 0
    if run.get("status") == "cancelled":
        return INTERRUPTED
    if run.get("failure") in ("timed_out", "idle_timed_out"):
        return TIMED_OUT
    if isinstance(killer := run.get("signal"), int):
        return SIGNALLED + killer
    code = run.get("exit_code")
    return code if isinstance(code, int) and 0 < code < 256 else 1


def worktree(run: Mapping[str, Any]) -> str:
    """Return what became of a run's worktree, or where it is; nothing for a run without one."""
    if not (tree := run.get("worktree")):
        return ""
    branch = f"branch {tree['branch']}, {counted(tree['files'], 'changed file')}" if tree["branch"] else ""
    found = ", ".join(filter(None, (branch, tree["path"])))
    return "; ".join(filter(None, (found, tree["error"]))) or "nothing changed"


def next_steps(run_id: str, *verbs: str) -> str:
    """Return the commands that a person may want next: `next: praisonrun attach 87959a · cancel 87959a`."""
    return f"next: {steps(run_id, *verbs)}"


def steps(run_id: str, *verbs: str) -> str:
    """Return commands about a run, as a person writes them."""
    return "praisonrun " + BETWEEN.join(f"{verb} {short(run_id)}" for verb in verbs)
