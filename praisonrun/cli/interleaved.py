"""The output of several runs, line by line: what is there by its time, what is followed as it comes."""

from __future__ import annotations

import heapq
import json
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import cycle
from typing import Any, NamedTuple

from .client import Client
from .ids import short
from .output import lines, printed
from .text import coloured, cut, last_state, paints, plain

HELD = 1000
"""Lines that wait to be written."""
_NAME = 16
"""Columns of an agent's name, at most."""
_COLOURS = ("36", "33", "32", "35", "34", "31")

Run = Mapping[str, Any]


class Line(NamedTuple):
    """One line that a run printed."""

    time: bytes
    """ISO 8601, in UTC: as bytes in the order of time."""
    run_id: str
    text: bytes
    """Without its newline."""


def told(client: Client, run_ids: Iterable[str], query: Mapping[str, str]) -> Iterator[Line]:
    """Yield what runs have printed, in the order of time; the query asks for timestamps."""
    return heapq.merge(*(_lines(printed(client, run_id, query), run_id) for run_id in run_ids))


def coming(client: Client, run_ids: Iterable[str], query: Mapping[str, str]) -> Iterator[Line]:
    """Yield what runs have printed and print, as it comes, until all have finished."""
    waiting: queue.Queue[Line | Exception | None] = queue.Queue(HELD)

    def read(run_id: str) -> None:
        try:
            for line in _lines(printed(client, run_id, query, follow=True), run_id):
                waiting.put(line)
            waiting.put(None)
        except Exception as error:
            waiting.put(error)

    threads = [threading.Thread(target=read, args=[run_id], daemon=True) for run_id in run_ids]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        match waiting.get():
            case None:
                left -= 1
            case Exception() as error:
                raise error
            case line:
                yield line


def _lines(chunks: Iterable[bytes], run_id: str) -> Iterator[Line]:
    for line in lines(chunks):
        time, _, text = line.partition(b" ")
        yield Line(time, run_id, text)


def shown(runs: Mapping[str, Run], *, as_json: bool, timestamps: bool) -> Callable[[Line], object]:
    """Return what writes a line as a JSON object, or as it is; of several runs with agent and short id."""
    names = {run_id: f"{cut(run['agent'], _NAME)} {short(run_id)}" for run_id, run in runs.items()}
    width = max(map(len, names.values()))
    names = {run_id: f"{name:<{width}} | " if len(runs) > 1 else "" for run_id, name in names.items()}
    terminal = sys.stdout.isatty()
    if terminal and paints() and len(runs) > 1:
        names = {
            run_id: f"\x1b[{colour}m{name}\x1b[0m"
            for (run_id, name), colour in zip(names.items(), cycle(_COLOURS), strict=False)
        }

    def as_object(line: Line) -> None:
        text = line.text.decode("utf-8", "replace")
        found = {"job_id": line.run_id, "ts": line.time.decode(), "text": text}
        sys.stdout.buffer.write(json.dumps(found, ensure_ascii=False).encode() + b"\n")

    def as_bytes(line: Line) -> None:
        time = line.time + b" " if timestamps else b""
        sys.stdout.buffer.write(names[line.run_id].encode() + time + line.text + b"\n")

    def as_text(line: Line) -> None:
        time = line.time.decode() + " " if timestamps else ""
        text = last_state(line.text.decode("utf-8", "replace"))
        painted = paints()
        body = coloured(text) if painted else plain(text)
        end = "\x1b[0m" if painted and "\x1b[" in body else ""
        print(f"{names[line.run_id]}{time}{body}{end}")

    return as_object if as_json else as_text if terminal else as_bytes
