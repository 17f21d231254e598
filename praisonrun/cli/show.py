"""`praisonrun show`: all that is known of a run, on one screen or as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..config.discovery import Named
from ..core.errors import Gone, counted
from .amounts import size, span, when
from .client import RUNS, Client
from .ids import find
from .local import target
from .outcome import finished, in_words, steps, worktree
from .output import printed
from .pipe import print_object
from .ps import how_far
from .questions import answered, asked, became, how, open_questions
from .table import show_pairs
from .text import plain

LINES = 10
"""Of a prompt, a result or an output: more of it is elsewhere."""
TAIL = {"tail": str(LINES)}

Run = Mapping[str, Any]


def show(named: Named, word: str, *, as_json: bool) -> int:
    """Print what is known of a run; return 0."""
    with Client(target(named), tries=3) as client:
        run = find(client, word)
        path = f"{RUNS}/{run['job_id']}"
        if finished(run):
            run |= client.result(run["job_id"])
        run["artifacts"] = client.call("GET", f"{path}/artifacts")["artifacts"]
        run["deliveries"] = client.call("GET", f"{path}/deliveries")["deliveries"]
        if as_json:
            print_object(run)
            return 0
        tail = "" if run["status"] == "succeeded" else _tail(client, run)
    show_pairs(str(run["job_id"]), [(name, text) for name, text in _rows(run, tail) if text])
    return 0


def _tail(client: Client, run: Run) -> str:
    if run["error_tail"]:
        return str(run["error_tail"])
    with suppress(Gone):
        return b"".join(printed(client, run["job_id"], TAIL)).decode("utf-8", "replace")
    return ""


def _rows(run: Run, tail: str) -> list[tuple[str, str]]:
    """Return names and values; what is empty is left out."""
    verbs = ("logs", "retry") if finished(run) else ("logs -f", "attach", "cancel")
    return [
        ("status", f"{in_words(run)}, waits for an answer" if open_questions(run) else in_words(run)),
        ("asks", "\n".join(f"{asked(each)}\n{how(run['job_id'], each)}" for each in open_questions(run))),
        ("asked", "\n".join(map(became, answered(run)))),
        ("progress", "" if finished(run) else how_far(run)),
        ("agent", run["agent"]),
        ("session", run["session_id"] or ""),
        ("prompt", _few(run["prompt"])),
        ("cwd", run["cwd"] or ""),
        ("worktree", worktree(run)),
        *_times(run),
        ("attempts", str(run["attempt"]) if run["attempt"] > 1 else ""),
        ("retry of", run["retry_of"] or ""),
        ("parent", run["parent"] or ""),
        ("metadata", json.dumps(run["metadata"], ensure_ascii=False) if run["metadata"] else ""),
        ("usage", ", ".join(f"{name} {amount:.10g}" for name, amount in (run["usage"] or {}).items())),
        ("used", _used(run.get("metrics") or {})),
        ("artifacts", _artifacts(run["artifacts"])),
        ("webhook", "\n".join(map(_delivery, run["deliveries"]))),
        ("result", _few(_text(run.get("result"))) if run["status"] == "succeeded" else ""),
        ("printed", _few(tail, last=True)),
        ("next", steps(run["job_id"], *verbs)),
    ]


def _times(run: Run) -> list[tuple[str, str]]:
    now = datetime.now(UTC)
    made = when(run["created_at"]) or now
    began, ended = when(run["started_at"]), when(run["completed_at"])
    lasted = f"{'took' if ended else 'for'} {_between(began or made, ended or now)}"
    return [
        ("created", f"{_date(run['created_at'])}, {_between(made, now)} ago"),
        ("started", f"{_date(run['started_at'])}, {lasted}" if began else ""),
        ("finished", _date(run["completed_at"])),
        ("next try", _date(run["due_at"])),
    ]


def _date(at: str | None) -> str:
    """Return a time without its fraction: `2026-12-31 23:59:00Z`."""
    return f"{at[:10]} {at[11:19]}Z" if at else ""


def _used(metrics: Mapping[str, Any]) -> str:
    cpu, memory = metrics.get("cpu_seconds"), metrics.get("max_rss_bytes")
    found = ["" if cpu is None else f"{cpu:.2f} s of CPU", f"{size(memory)} of memory" if memory else ""]
    return ", ".join(part for part in found if part)


def _between(start: datetime, end: datetime) -> str:
    return span((end - start).total_seconds())


def _artifacts(files: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{file['path']} ({size(file['size'])})" for file in files[:LINES]]
    return "\n".join([*names, f"… {len(files) - LINES} more"] if len(files) > LINES else names)


def _delivery(delivery: Mapping[str, Any]) -> str:
    tries = delivery["attempts"]
    error = tries[-1]["error"] if tries and delivery["state"] != "delivered" else None
    parts = (delivery["state"], counted(len(tries), "attempt"), error, delivery["url"])
    return ", ".join(part for part in parts if part)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _few(text: str, *, last: bool = False) -> str:
    """Return the first lines of a text, or its last ones, as they may be shown."""
    lines = plain(text).rstrip("\n").split("\n")
    if len(lines) <= LINES:
        return "\n".join(lines)
    return "\n".join(
        lines[-LINES:] if last else [*lines[: LINES - 1], f"… {len(lines) - LINES + 1} more lines"]
    )
