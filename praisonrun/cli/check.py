"""`praisonrun check`: what an agents file offers, and what is missing on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..agents.check import Report
from ..agents.check import check as look
from ..config.settings import absolute, default_agents
from ..core.errors import counted
from .text import plain


def check(file: Path | None, *, strict: bool = False) -> int:
    """Print a line for each agent; return 0, or 1 with `strict` when one cannot start. Raises ConfigError."""
    if file is None and (found := default_agents()) is not None:
        file = Path(found.name)  # shown as a person would write it
    if file is not None:
        absolute(file)  # says so where the current directory is gone
    report = look(file, os.environ)
    print("\n".join(lines(report)))
    return 0 if report.ok or not strict else 1


def lines(report: Report) -> Iterator[str]:
    """Yield the lines to print for a report."""
    file = report.file or "no agents.yaml here; built in"
    yield f"{file}: {counted(len(report.agents), 'agent')}, default {report.default}"
    width = max((len(agent.name) for agent in report.agents), default=0)
    for agent in report.agents:
        state, found = "ok", agent.path or agent.program
        if agent.problem is not None:
            state, found = "--", f"cannot start: {agent.problem}"
        yield f"  {state} {agent.name:<{width}}  {agent.kind:<7}  {plain(found)}"
        for warning in agent.warnings:
            yield f"     {'':<{width}}  note: {plain(warning)}"
