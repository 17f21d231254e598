"""`praisonrun logs`: what runs printed, and print; of one run byte for byte, of several line by line."""

from __future__ import annotations

import codecs
import os
import select
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config.discovery import Named
from ..core.errors import Invalid
from .client import Client
from .ids import several
from .interleaved import coming, shown, told
from .local import target
from .outcome import INTERRUPTED, finished, in_words, next_steps
from .output import printed
from .screen import Screen

MOST = 32
"""Runs at once. Each takes a connection, and where it is followed one of the server's open streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which output, and how it is shown."""

    run_ids: tuple[str, ...]
    follow: bool
    tail: int | None
    since: str | None
    stream: str | None
    timestamps: bool
    as_json: bool

    def query(self, *, timed: bool) -> dict[str, str]:
        """Return the query of the server's /logs."""
        asked = {"tail": self.tail, "since": self.since, "stream": self.stream, "timestamps": timed or None}
        return {name: str(value).lower() for name, value in asked.items() if value is not None}


def logs(named: Named, wanted: Wanted) -> int:
    """Print the output of one run or several; return 0, INTERRUPTED after Ctrl-C."""
    screen = Screen()
    if wanted.follow:
        _leave_with_the_reader()
    with Client(target(named), tell=screen.note) as client:
        runs = several(client, wanted.run_ids)
        if len(runs) > MOST:
            raise Invalid(f"the output of at most {MOST} runs can be shown at once")
        code = 0
        try:
            if len(runs) == 1 and not wanted.as_json and not (wanted.timestamps and screen.answers):
                _one(client, next(iter(runs)), wanted, screen)
            else:
                _each_line(client, runs, wanted)
        except KeyboardInterrupt:
            code = INTERRUPTED
        _hint(client, runs, screen)
    return code


def _one(client: Client, run_id: str, wanted: Wanted, screen: Screen) -> None:
    query = wanted.query(timed=wanted.timestamps)
    chunks = printed(client, run_id, query, follow=wanted.follow)
    if screen.answers:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for chunk in chunks:
            screen.log("stdout", decoder.decode(chunk))
        screen.close()
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        if wanted.follow:
            sys.stdout.flush()


def _each_line(client: Client, runs: Mapping[str, Mapping[str, Any]], wanted: Wanted) -> None:
    query = wanted.query(timed=True)
    found = coming(client, runs, query) if wanted.follow else told(client, runs, query)
    write = shown(runs, as_json=wanted.as_json, timestamps=wanted.timestamps)
    for line in found:
        write(line)
        if wanted.follow:
            sys.stdout.flush()


def _hint(client: Client, runs: Iterable[str], screen: Screen) -> None:
    """Tell a person how a run is whose output was shown, and what can be done next."""
    screen.close()
    run_id, *more = runs
    if more or not sys.stderr.isatty():
        return
    run = client.status(run_id)
    verbs = ("show", "retry") if finished(run) else ("logs -f", "attach", "cancel")
    if run["status"] != "succeeded":
        screen.hint(f"run {run_id}: {in_words(run)}")
        screen.hint(next_steps(run_id, *verbs))


def _leave_with_the_reader() -> None:
    """End this process when nobody reads its output any more: what it follows may be silent for hours."""
    looked = select.poll()
    looked.register(1, 0)  # errors alone are told

    def leave() -> None:
        looked.poll()
        os._exit(0)

    threading.Thread(target=leave, daemon=True).start()
