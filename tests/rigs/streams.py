"""Event streams of real agents, and what we make of them.

    python -m tests.rigs.streams      # writes data/streams/*.golden anew: look at the difference

A stream is a file of several runs: a line with `_case` begins each, one with `_text` holds a line that is no
JSON. The streams were recorded in November 2026 and shortened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from praisonrun.core.agent import Agent
from praisonrun.files.run_files import RunFiles
from praisonrun.journal.format import Kind
from praisonrun.journal.formats import FORMATS, frame_events
from praisonrun.journal.results import result
from praisonrun.journal.summary import Summary
from praisonrun.journal.writer import Journal

from .places import ROOT

PLACE = ROOT / "tests" / "data" / "streams"
WRITERS = {"qwen": "claude", "kilo": "opencode"}
"""Agents that write another one's format."""
NAMES = sorted(path.stem for path in PLACE.glob("*.jsonl"))


def cases(name: str) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the runs of a stream: what was the case, and its lines."""
    found: list[tuple[str, list[bytes]]] = []
    for line in (PLACE / f"{name}.jsonl").read_bytes().splitlines(keepends=True):
        read = json.loads(line)
        if "_case" in read:
            found.append((read["_case"], []))
        else:
            found[-1][1].append(f"{read['_text']}\n".encode() if "_text" in read else line)
    return iter(found)


def told(form: str, lines: list[bytes], place: Path) -> tuple[list[tuple[str, Any]], Summary, Any]:
    """Return the events of a run's lines, what they add up to, and the answer."""
    files = RunFiles(place)
    writer = Journal(files.reopen("run"))
    writer.append(Kind.STARTED, b'{"attempt": 1, "pid": 2, "shim": 3}')
    for line in lines:
        writer.append(Kind.STDOUT, line)
    os.close(writer.fd)
    summary, events = Summary(), list[tuple[str, Any]]()
    frames = files.read("run", lambda reader: [frame for window in reader.windows() for frame in window])
    for frame in frames or ():
        summary.add(form, frame)
        if frame.kind is Kind.STDOUT:
            events += [(event.name, event.data) for event in frame_events(form, frame)]
    answer = files.read("run", partial(result, agent=Agent("a", "", format=form)))
    files.journal("run").unlink()
    return events, summary, answer and answer.value


def golden(name: str) -> str:
    """Return what we make of a stream, for people."""
    shown = []
    with TemporaryDirectory() as place:
        for case, lines in cases(name):
            events, summary, answer = told(WRITERS.get(name, name), lines, Path(place))
            shown += [f"== {case}", *(f"{kind} {_short(data)}" for kind, data in events)]
            said = {key: value for key, value in summary.verdict._asdict().items() if value}
            rest = {"progress": summary.progress, "usage": summary.usage, "session": summary.session}
            shown.append("-> " + _short({"answer": answer, **said, **rest}))
    return "\n".join(shown) + "\n"


def _short(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


if __name__ == "__main__":
    assert {WRITERS.get(name, name) for name in NAMES} == FORMATS.keys() - {"text", "jsonl"}
    for each in NAMES:
        (PLACE / f"{each}.golden").write_text(golden(each))
