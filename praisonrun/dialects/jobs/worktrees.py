"""How the jobs dialect shows the git worktree of a run."""

from __future__ import annotations

from pydantic import Field

from ...core.json import Json
from ...core.model import Snapshot
from ...web.forms import Described


class WorktreeShown(Described):
    """The git worktree of a run, and what became of it."""

    base: str = Field(description="The commit at which it began.")
    path: str | None = Field(
        description="Where it is while the run lives, or if it stays; null if it is gone."
    )
    branch: str | None = Field(description="The branch that has what the run changed; null without changes.")
    commit: str | None = Field(description="The commit at which that branch was made.")
    files: int | None = Field(description="How many files the branch changes.")
    error: str | None = Field(description="Why it stays, or what is missing; null if nothing is.")


def shown(run: Snapshot) -> dict[str, Json] | None:
    """Return what a run has of a worktree."""
    if run.run.worktree_base is None:
        return None
    kept = (run.run.summary or {}).get("worktree") or {}
    told = {name: kept.get(name) for name in ("branch", "commit", "files", "error")}
    return {"base": run.run.worktree_base, "path": kept.get("path", run.worktree), **told}
