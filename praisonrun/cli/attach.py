"""Following a run to its end: what a person sees of it, its result, and the exit code."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ..config.discovery import Named
from ..core.errors import Unavailable
from ..core.json import Json
from . import pipe
from .amounts import when
from .client import Client, Pause
from .events import events
from .ids import find
from .local import target
from .outcome import INTERRUPTED, exit_code, in_words, next_steps, worktree
from .questions import asked, how
from .screen import Screen

STARTING = "starting"
"""The reason of a run that waits for nothing but its process."""
WINDOW = 3.0
"""Seconds in which a second Ctrl-C cancels the run."""


def attach(named: Named, word: str, *, as_json: bool) -> int:
    """Follow the run that a word means; return the exit code (see `outcome.exit_code`)."""
    screen = Screen(quiet=as_json)
    try:
        with Client(target(named), tell=screen.note) as client:
            run = find(client, word)
            waits(screen, run)
            return to_its_end(client, str(run["job_id"]), screen, as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        screen.close()


def waits(screen: Screen, run: Mapping[str, Any]) -> None:
    """Say why a run does not start yet, if there is a reason."""
    if (why := run.get("queue_reason")) and why != STARTING:
        screen.note(f"waits: {why}")


def to_its_end(client: Client, run_id: str, screen: Screen, *, as_json: bool) -> int:
    """Show a run until it ends, then its result; return the exit code, INTERRUPTED for one that was left."""
    try:
        if not _watched(client, run_id, screen):
            return INTERRUPTED
        return _finish(client, run_id, screen, as_json=as_json)
    except Unavailable as error:
        raise Unavailable(f"{error.message}; run {run_id} continues in the background") from error


def _watched(client: Client, run_id: str, screen: Screen) -> bool:
    """Show the events of a run; return whether it was watched to its end."""
    try:
        for event in events(client, run_id):
            with suppress(ValueError):
                show(screen, event.event, data := json.loads(event.data))
                if event.event == "ask" and still_open(data):
                    screen.hint(f"next: {how(run_id, data)}")
    except KeyboardInterrupt:
        return interrupted(client, run_id, screen)
    return True


def show(screen: Screen, name: str, data: Json) -> None:
    """Show one event of the stream."""
    if not isinstance(data, dict):
        return
    match name:
        case "log":
            screen.log(str(data.get("stream", "")), str(data.get("text", "")))
        case "progress":
            amount = data.get("percentage")
            step = str(data.get("step") or data.get("message") or "")
            screen.progress(amount if isinstance(amount, int | float) else None, step)
        case "message":
            screen.message(str(data.get("text", "")), delta=bool(data.get("delta")))
        case "ask":
            screen.note(f"asks: {asked(data)}")
        case "attempt" if data.get("state") == "start" and data.get("attempt") != 1:
            screen.note(f"attempt {data.get('attempt')} starts")
        case "attempt" if data.get("state") == "end" and (how := how_it_ended(data)):
            screen.note(f"attempt {data.get('attempt')}: {how}")
        case "tool_call" if "input" in data or "output" not in data:
            screen.note(f"tool: {data.get('name', '?')}")


def still_open(asked: Mapping[str, Any], now: datetime | None = None) -> bool:
    """Say whether the event of a question is young enough for an answer: what is replayed may be old."""
    at = when(asked.get("ts")) or datetime.now(UTC)
    return (now or datetime.now(UTC)) < at + timedelta(seconds=asked.get("timeout") or 0)


def how_it_ended(attempt: Mapping[str, Any]) -> str:
    """Return how an attempt ended where that was no success."""
    if (killer := attempt.get("signal")) is not None:
        return f"killed by signal {killer}"
    code = attempt.get("exit_code")
    return f"exit code {code}" if code else ""


def interrupted(client: Client, run_id: str, screen: Screen, pause: Pause = time.sleep) -> bool:
    """Handle a first Ctrl-C: return True when a second one came in time and the run was cancelled."""
    again = f"press again within {WINDOW:.0f} s to cancel it"
    try:  # who has read the note may be quicker than its return
        screen.note(f"run {run_id} continues in the background; {again}", always=True)
        pause(WINDOW)
    except KeyboardInterrupt:
        screen.note(f"cancelling run {run_id}", always=True)
        client.cancel(run_id)
        return True
    screen.note(next_steps(run_id, "attach", "logs -f", "cancel"), always=True)
    return False


def _finish(client: Client, run_id: str, screen: Screen, *, as_json: bool) -> int:
    status, result = client.status(run_id), client.result(run_id)
    screen.close()
    if as_json:
        pipe.print_object(status | result)
    elif not (screen.answers and _seen(screen, result)):
        pipe.print_result(client, status, result)
    if (longer := result.get("result_url")) and (as_json or sys.stdout.isatty()):
        screen.note(f"the result is longer; all of it: {longer}")
    if tree := worktree(status):
        screen.note(f"worktree: {tree}")
    if status.get("status") != "succeeded":
        screen.note(f"run {run_id} {in_words(status)}")
        screen.hint(next_steps(run_id, "show", "retry"))
    return exit_code(status)


def _seen(screen: Screen, result: Mapping[str, Any]) -> bool:
    """Say whether a run's result is what the terminal has shown already."""
    shown = result.get("result")
    return pipe.was_printed(result) or (isinstance(shown, str) and screen.said(shown))
