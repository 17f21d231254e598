"""What an agent's output means: frames become events, and events are folded into a summary.

A format's parser has no state between lines, so a live stream, a poll and a replay years later give the
same events. New formats are registered in `FORMATS`; nothing else knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.model import Failure, Json, Outcome, Status
from .events import ParsedEvent, may_answer, parse_event_line, parse_jsonl, parse_other_frame, parse_text
from .format import IDS_PER_BYTE, Frame, Kind, event_id


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of agent writes to stdout."""

    parse: Callable[[str], Iterable[ParsedEvent]]
    """Returns the events of one stdout frame."""
    structured: bool
    """True: a frame is one line, and a run must end with a result event. False: partial lines are shown."""
    may_answer: Callable[[bytes], bool] = lambda _: False
    """Whether a stdout frame could hold the result event. It is fast; False is always right."""


SHOWN = 4096
"""Characters of a step or a message in a run's status. The stream has all of it."""
ERROR_LIMIT = 64 * 1024
"""Characters of an agent's own error that are stored with its run."""
USAGE_NAMES = 100
"""Different numbers in a run's usage: every list of runs reads them, whatever an agent invents."""

FORMATS = {
    "text": Format(parse_text, structured=False),
    "jsonl": Format(parse_jsonl, structured=True, may_answer=may_answer),
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
    match frame.kind:
        case Kind.STDOUT:
            parsed = FORMATS[format_name].parse(frame.data.decode("utf-8", "replace"))
        case Kind.EVENT:
            parsed = parse_event_line(frame.data.decode("utf-8", "replace"))
        case _:
            parsed = parse_other_frame(frame)
    return [
        Event(event_id(frame.offset, slot), name, data, frame.time)
        for slot, (name, data) in zip(range(IDS_PER_BYTE), parsed, strict=False)
    ]


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
        return Outcome(Status.FAILED, Failure.AGENT_ERROR, self.error[:ERROR_LIMIT])

    def stored(self) -> dict[str, Json] | None:
        """Return what the row of a final run keeps."""
        return {"progress": self.progress, "usage": self.usage} if self.progress or self.usage else None
