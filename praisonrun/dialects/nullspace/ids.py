"""The ids of agents, versions, runs and services in the Nullspace dialect, and back."""

from __future__ import annotations

import hashlib

from ...core.model import Mode, Run, Snapshot

RUN, SERVICE = "adrun_", "adsvc_"
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
    """Return the id of a run or service in this dialect."""
    return (SERVICE if run.mode is Mode.SERVICE else RUN) + _suffix(run.id)


def run_id_of(wire: str, mode: Mode) -> str | None:
    """Return the id of the run with this dialect's id; None for an id of another kind."""
    prefix = SERVICE if mode is Mode.SERVICE else RUN
    if not wire.startswith(prefix):
        return None
    suffix = wire.removeprefix(prefix)
    return suffix.removeprefix(_FOREIGN) if suffix.startswith(_FOREIGN) else _OURS + suffix


def _suffix(run_id: str) -> str:
    return run_id.removeprefix(_OURS) if run_id.startswith(_OURS) else _FOREIGN + run_id


def sandbox_id(shown: Snapshot) -> str | None:
    """Return the name of a run's scratch directory while there is one."""
    return f"sb_{_suffix(shown.run.id)}" if shown.scratch else None
