"""`praisonrun wait`: until runs have finished, however many, over restarts of the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..config.discovery import Named
from ..core.errors import counted
from .client import Client, Pause
from .ids import several, short
from .local import target
from .outcome import INTERRUPTED, TIMED_OUT, exit_code, finished, in_words, next_steps
from .pipe import print_lines, print_text
from .screen import Screen
from .text import one_line

PAGE = 20.0
"""Seconds that the server waits for a change: less than a client waits for an answer."""
BUSY = 0.05
"""Seconds from one look at what changed to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs, for how long, and what is printed."""

    run_ids: tuple[str, ...]
    first: bool
    timeout: int | None
    as_json: bool


def wait(named: Named, wanted: Wanted) -> int:
    """Print a line for each run as it ends; return the exit code of the first named one that failed, else 0.

    With `first`, return that of whichever ends first. TIMED_OUT after the timeout, INTERRUPTED if left.
    """
    screen, codes = Screen(), dict[str, int]()
    with Client(target(named), tell=screen.note) as client:
        found = several(client, wanted.run_ids)
        runs, live = list(found), [run_id for run_id, run in found.items() if not finished(run)]
        if live:
            screen.hint(f"waits for {', '.join(map(short, live))}")
        try:
            for run in ended(client, runs, wanted.timeout):
                print_run(run, as_json=wanted.as_json)
                codes[run["job_id"]] = exit_code(run)
                if wanted.first:
                    return exit_code(run)
        except KeyboardInterrupt:
            screen.hint(next_steps(runs[0], "wait", "attach", "cancel"))
            return INTERRUPTED
    if left := [run_id for run_id in runs if run_id not in codes]:
        names = ", ".join(map(short, left))
        screen.note(f"after {wanted.timeout} s {counted(len(left), 'run')} had not finished: {names}")
        screen.hint(next_steps(left[0], "wait", "attach", "cancel"))
        return TIMED_OUT
    worst = next((run_id for run_id in runs if codes[run_id]), runs[0])
    screen.hint(next_steps(worst, "show", "logs", *(["retry"] if codes[worst] else [])))
    return codes[worst]


def ended(
    client: Client, run_ids: Iterable[str], seconds: float | None = None, pause: Pause = time.sleep
) -> Iterator[Mapping[str, Any]]:
    """Yield the status of each run once it has finished, for so many seconds.

    The changes of all runs are asked for, from before the first look at any; what they do not tell of (a
    service) is looked at again now and then.
    """
    until = time.monotonic() + (seconds or float("inf"))
    left = dict.fromkeys(run_ids)
    cursor, look, looked = client.changes()["next"], list(left), time.monotonic()
    while True:
        for run_id in look:
            if finished(run := client.status(run_id)):
                del left[run_id]
                yield run
        now = time.monotonic()
        if not left or now >= until:
            return
        page = client.changes(cursor, min(PAGE, until - now))
        cursor, changed = page["next"], set(map(_changed, page["events"]))
        everything = page["reset"] or time.monotonic() > looked + PAGE
        look = [run_id for run_id in left if everything or run_id in changed]
        looked = time.monotonic() if everything else looked
        if not look:
            pause(BUSY)


def _changed(event: Mapping[str, Any]) -> str | None:
    """Return the id of the run that an event is about."""
    run_id = event["run"]["job_id"] if event["event"] == "run" else event.get("id")
    return run_id if isinstance(run_id, str) else None


def print_run(run: Mapping[str, Any], *, as_json: bool) -> None:
    """Print how a run is: a line with its id, or its status as JSON."""
    if as_json:
        print_lines([dict(run)])
        return
    name = short(run["job_id"]) if sys.stdout.isatty() else run["job_id"]
    print_text(f"{name}  {one_line(in_words(run))}")
