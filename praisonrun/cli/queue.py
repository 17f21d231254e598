"""`praisonrun pause` and `resume`: whether the runs of an agent, or of all, may start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.discovery import Named
from .client import Client
from .local import target
from .pipe import print_lines, print_text
from .text import plain

_NOTHING = {"queued": 0, "running": 0, "paused_since": None}


def change(named: Named, verb: str, agent: str | None, *, as_json: bool) -> int:
    """Pause or resume an agent, or all; print what waits now, and return 0."""
    with Client(target(named), tries=3) as client:
        queue = client.call("POST", f"/api/v1/queue/{verb}", json={"agent": agent})
    print_lines([queue]) if as_json else print_text(plain(told(queue, agent)))
    return 0


def told(queue: Mapping[str, Any], agent: str | None) -> str:
    """Return in words whose runs may start, what waits and runs, and what to do next."""
    of_agent = (each for each in queue["agents"] if each["agent"] == agent)
    found = queue if agent is None else next(of_agent, _NOTHING)
    whose = agent or "all agents"
    amount = f"{found['queued']} queued, {found['running']} running"
    if found["paused_since"]:
        again = f"praisonrun resume{f' {agent}' if agent else ''}"
        return f"paused: {whose} ({amount}). What runs continues; the rest waits for: {again}"
    return f"not paused: {whose} ({amount})"
