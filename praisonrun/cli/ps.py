"""`praisonrun ps`: the runs that live, or all of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ..config.discovery import Named
from .amounts import cost, span, tokens, when
from .client import LIVE, PAGE, Client
from .ids import short
from .local import target
from .pipe import print_lines
from .questions import open_questions
from .table import show

HEAD = ("ID", "STATUS", "AGENT", "AGE", "TOOK", "TOKENS", "COST", "WHAT")
WAITING = "waiting"
"""The status of a run that asks something."""
SPARE = ("TOOK", "AGE", "TOKENS", "COST")
"""What a narrow terminal does without."""
USED = ("TOKENS", "COST")
"""Shown where some run has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs, and how they are printed."""

    every: bool
    status: str | None
    agent: str | None
    session: str | None
    count: int
    as_json: bool
    quiet: bool

    def query(self) -> dict[str, str]:
        """Return the query of a list."""
        status = self.status or (None if self.every else LIVE)
        asked = {"status": status, "agent": self.agent, "session_id": self.session}
        return {name: value for name, value in asked.items() if value is not None}


def ps(named: Named, wanted: Wanted) -> int:
    """Print a line for each run, newest first; return 0."""
    with Client(target(named), tries=3) as client:
        newest = client.runs(wanted.query(), min(PAGE, wanted.count))
        found = list(islice(newest, wanted.count))
    if wanted.as_json:
        print_lines(found)
    elif wanted.quiet:
        print("".join(f"{run['job_id']}\n" for run in found), end="")
    elif found:
        _print([row(run) for run in found])
    else:
        more = "" if wanted.every or wanted.status else "; praisonrun ps -a lists finished ones, too"
        print(f"no runs{more}", file=sys.stderr)
    return 0


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Print the cells of runs, without what no run used."""
    columns = [at for at, name in enumerate(HEAD) if name not in USED or any(row[at] for row in rows)]
    head = [HEAD[at] for at in columns]
    show(head, [[row[at] for at in columns] for row in rows], [name for name in SPARE if name in head])


def row(run: Mapping[str, Any], now: datetime | None = None) -> tuple[str, ...]:
    """Return the cells of a run."""
    now = now or datetime.now(UTC)
    began, ended = when(run["started_at"]), when(run["completed_at"]) or now
    took = span((ended - began).total_seconds()) if began else ""
    age = span((now - (when(run["created_at"]) or now)).total_seconds())
    used = tokens(run["usage"]), cost(run["usage"])
    status = WAITING if open_questions(run) else run["status"]
    return short(run["job_id"]), status, run["agent"], age, took, *used, what(run)


def what(run: Mapping[str, Any]) -> str:
    """Return what a run is about, and how far it is or why it ended as it did."""
    asked = "".join(f"asks: {each['question']}" for each in open_questions(run)[:1])
    far = how_far(run) if run["status"] == "running" else ""
    news = run["error"] or asked or far or run.get("queue_reason")
    return f"{run['title']} · {news}" if news else run["title"]


def how_far(run: Mapping[str, Any]) -> str:
    """Return the progress of a run: `62% running tests`; empty for one that did not say."""
    step = run["progress"]
    return f"{step['percentage']:.0f}% {step['current_step'] or ''}".strip() if step["percentage"] else ""
