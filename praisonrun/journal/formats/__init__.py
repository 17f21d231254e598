"""What an agent's output means: frames become events.

A format's parser has no state between lines, so a live stream, a poll and a replay years later give the
same events. New formats are registered in `FORMATS`; nothing else knows them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ...core.json import Json
from ..events import (
    ParsedEvent,
    may_answer,
    may_tell,
    parse_event_line,
    parse_jsonl,
    parse_other_frame,
    parse_text,
)
from ..format import HEAD_SIZE, IDS_PER_BYTE, Frame, Kind, event_id
from . import claude, cline, cn, codex, copilot, gemini, kimi, opencode, openhands, pi, vibe


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of agent writes to stdout."""

    parse: Callable[[str], Iterable[ParsedEvent]]
    """Returns the events of one line of stdout, or of a whole frame."""
    structured: bool
    """True: each line is parsed, and a run must leave a result. False: partial lines are shown."""
    may_answer: Callable[[bytes], bool] = lambda _: True
    """Whether some lines could hold what the answer is made of. It is fast; False is always right."""
    may_tell: Callable[[bytes], bool] = lambda _: True
    """The same of all events that a summary is made of."""


FORMATS = {
    "text": Format(parse_text, structured=False, may_answer=lambda _: False, may_tell=lambda _: False),
    "jsonl": Format(parse_jsonl, structured=True, may_answer=may_answer, may_tell=may_tell),
    **{
        of.__name__.rpartition(".")[2]: Format(of.parse, structured=True)
        for of in (claude, cline, cn, codex, copilot, gemini, kimi, opencode, openhands, pi, vibe)
    },
}


class Event(NamedTuple):
    """One thing that a run printed or did, with its id in the run's stream."""

    id: int
    name: str
    data: dict[str, Json]
    time: int
    """Microseconds since the epoch."""


def frame_events(format_name: str, frame: Frame) -> list[Event]:
    """Return the events of one frame, in order, each with its id."""
    form = FORMATS[format_name]
    match frame.kind:
        case Kind.STDOUT if form.structured:
            lines = _lines(frame.data)
            return [
                event
                for at, line in lines
                for event in _numbered(frame, at, form.parse(line.decode("utf-8", "replace")))
            ]
        case Kind.STDOUT:
            parsed = form.parse(frame.data.decode("utf-8", "replace"))
        case Kind.EVENT:
            parsed = parse_event_line(frame.data.decode("utf-8", "replace"))
        case _:
            parsed = parse_other_frame(frame)
    return list(_numbered(frame, 0, parsed))


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a frame, each with what its offset is after the frame's; the first one has none."""
    at, place = HEAD_SIZE, 0
    for line in io.BytesIO(data).readlines() or (b"",):  # unlike splitlines, not split at a carriage return
        yield place, line
        at = place = at + len(line)


def _numbered(frame: Frame, at: int, parsed: Iterable[ParsedEvent]) -> Iterator[Event]:
    for slot, (name, data) in zip(range(IDS_PER_BYTE), parsed, strict=False):
        yield Event(event_id(frame.offset + at, slot), name, data, frame.time)
