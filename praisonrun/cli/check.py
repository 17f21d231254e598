"""`praisonrun check`: what an agents file offers, what is wrong with it, and what this machine lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..agents.check import AgentReport, Report
from ..agents.check import check as look
from ..config.settings import absolute, default_agents
from ..core.errors import ConfigError, FaultPlace, counted
from .pipe import print_object
from .text import plain

_QUOTED = r"""`[^`]*`|(?<!\w)'(?:[^'\\]|\\.)*'|(?<!\w)"(?:[^"\\]|\\.)*\""""
_MESSAGE = re.compile(rf"((?:{_QUOTED}|(?!; ).)*+); (.*)", re.DOTALL)
"""What is wrong, and what to do: our own `; ` is between them, and none in a text that somebody wrote."""


def check(file: Path | None, *, strict: bool = False, as_json: bool = False) -> int:
    """Print a line for each agent; return 0, or 1 with `strict` when one cannot start. Raises ConfigError.

    With `as_json` faults of the file are printed, too: then 2 is returned.
    """
    if file is None and (found := default_agents()) is not None:
        file = Path(found.name)  # shown as a person would write it
    if file is not None:
        absolute(file)  # says so where the current directory is gone
    try:
        report = look(file, os.environ)
    except ConfigError as error:
        if not as_json:
            raise
        print_object(_object(file, None, [fault(one) for one in error.faults]))
        return 2
    if as_json:
        print_object(_object(file, report, []))
    else:
        print("\n".join(lines(report)))
    return 0 if report.ok or not strict else 1


def print_schema() -> int:
    """Print the JSON Schema of an agents file."""
    from ..agents.schema import schema

    print_object(schema())
    return 0


def lines(report: Report) -> Iterator[str]:
    """Yield the lines to print for a report."""
    file = report.file or "no agents.yaml here; built in"
    yield f"{file}: {counted(len(report.agents), 'agent')}, default {report.default}"
    width = max((len(agent.name) for agent in report.agents), default=0)
    for agent in report.agents:
        state, found, todo = "ok", agent.path or agent.program, None
        if agent.problem is not None:
            state, (why, todo) = (
                "--",
                _parted(agent.problem.replace(f" of agent {agent.name!r}", "")).values(),
            )
            found = f"cannot start: {why}"
        yield f"  {state} {agent.name:<{width}}  {agent.kind:<7}  {plain(found)}"
        if todo:
            yield f"     {'':<{width}}  {plain(todo)}"
        for warning in agent.warnings:
            yield f"     {'':<{width}}  note: {plain(warning)}"


def fault(error: ConfigError) -> dict[str, Any]:
    """Return a fault as `--json` has it; line and column, from 1, are null where it is of the whole file."""
    where = error.place._asdict() if error.place else dict.fromkeys(FaultPlace._fields)
    return {**where, **_parted(error.what)}


def _object(file: Path | None, report: Report | None, faults: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "file": file and str(file),
        "ok": report is not None and report.ok,
        "default": report and report.default,
        "agents": [_agent(agent) for agent in report.agents] if report else [],
        "faults": faults,
    }


def _agent(agent: AgentReport) -> dict[str, Any]:
    return {
        "name": agent.name,
        "kind": agent.kind,
        "program": agent.program,
        "path": agent.path,
        "problem": agent.problem and _parted(agent.problem),
        "install": agent.install,
        "env_missing": list(agent.missing_env),
        "notes": list(agent.warnings),
    }


def _parted(text: str) -> dict[str, str | None]:
    found = _MESSAGE.fullmatch(text)
    message, advice = found.groups() if found else (text, None)
    return {"message": message, "advice": advice}
