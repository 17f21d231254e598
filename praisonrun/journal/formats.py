"""What an agent's output means: frames become events, and events are folded into a summary.

A format's parser has no state between lines, so a live stream, a poll and a replay years later give the
same events. New formats are registered in `FORMATS`; nothing else knows them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.model import Failure, Json, Outcome, Status
from .events import (
    ParsedEvent,
    may_answer,
    may_tell,
    parse_event_line,
    parse_jsonl,
    parse_other_frame,
    parse_text,
)
from .format import HEAD_SIZE, IDS_PER_BYTE, Frame, Kind, event_id


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of agent writes to stdout."""

    parse: Callable[[str], Iterable[ParsedEvent]]
    """Returns the events of one line of stdout, or of a whole frame."""
    structured: bool
    """True: each line is parsed, and a run must leave a result. False: partial lines are shown."""
    may_answer: Callable[[bytes], bool] = lambda _: False
    """Whether some lines could hold the result event. It is fast; False is always right."""
    may_tell: Callable[[bytes], bool] = lambda _: False
    """The same of all events that a summary is made of."""


SHOWN = 4096
"""Characters of a step or a message in a run's status. The stream has all of it."""
ERROR_LIMIT = 64 * 1024
"""Characters of an agent's own error that are stored with its run."""
USAGE_NAMES = 100
"""Different numbers in a run's usage: every list of runs reads them, whatever an agent invents."""

FORMATS = {
    "text": Format(parse_text, structured=False),
    "jsonl": Format(parse_jsonl, structured=True, may_answer=may_answer, may_tell=may_tell),
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


@dataclass(slots=True)
class Summary:
    """What a run's status shows of its journal: its events, folded."""

    progress: dict[str, Json] = field(default_factory=dict)
    usage: dict[str, Json] = field(default_factory=dict)
    ended: bool = False
    """Whether the latest attempt gave a result event."""
    answer: Json = None
    error: str | None = None
    """The error in that result event."""

    def add(self, format_name: str, frame: Frame) -> None:
        """Fold in the events of one frame."""
        if frame.kind is Kind.STDOUT and not FORMATS[format_name].may_tell(frame.data):
            return
        for event in frame_events(format_name, frame):
            match event.name:
                case "status":
                    self.progress, self.ended, self.answer, self.error = {}, False, None, None
                case "progress":
                    for key, value in event.data.items():
                        self.progress[key] = value[:SHOWN] if isinstance(value, str) else value
                case "usage":
                    for name, number in event.data.items():
                        if name in self.usage or len(self.usage) < USAGE_NAMES:
                            self.usage[name] = number
                case "result":
                    self.ended = True
                    self.answer, self.error = event.data.get("result"), event.data.get("error")

    def outcome(self) -> Outcome | None:
        """Return the outcome that the agent's result event states; None without one."""
        if not self.ended:
            return None
        if self.error is None:
            return Outcome(Status.SUCCEEDED)
        error, more = self.error[:ERROR_LIMIT], len(self.error) - ERROR_LIMIT
        error += f" … {more} characters omitted" if more > 0 else ""
        return Outcome(Status.FAILED, Failure.AGENT_ERROR, error)

    def stored(self) -> dict[str, Json] | None:
        """Return what the row of a final run keeps."""
        return {"progress": self.progress, "usage": self.usage} if self.progress or self.usage else None
