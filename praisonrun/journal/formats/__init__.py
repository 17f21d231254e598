"""What an agent's output means: frames become events, events fold into a summary.

A format is one small parser without state across lines, so a live stream, a poll and a replay
years later give the same events. New formats register in `FORMATS`; nothing else knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...core.model import Failure, Json, Outcome, Status
from ..format import SLOTS, Frame, Kind, event_id
from . import jsonl, text
from .events import Said, of_fifo_line, of_frame


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of agent speaks on stdout."""

    read: Callable[[str], Iterable[Said]]
    """What one stdout frame says."""
    structured: bool
    """True: one line a frame, and a run owes a result event. False: partial lines are shown as they come."""
    may_answer: Callable[[bytes], bool] = lambda _: False
    """Whether a stdout frame could hold the result event: cheap to ask, and never wrong with no."""


SHOWN = 4096
"""Characters of a step or a message that a poll repeats. The stream has all of it."""
ERROR_LIMIT = 64 * 1024
"""Characters of an agent's own error that its run keeps."""
USAGE_NAMES = 100
"""Different numbers that are summed up for a run: every list reads them, whatever an agent invents."""

FORMATS = {
    "text": Format(text.read, structured=False),
    "jsonl": Format(jsonl.read, structured=True, may_answer=jsonl.may_answer),
}


class Event(NamedTuple):
    """One thing that a run said or did, with its id in the run's stream."""

    id: int
    name: str
    data: dict[str, Json]
    time: int
    """Microseconds since the epoch."""


def events(name: str, frame: Frame) -> list[Event]:
    """Return the events of one frame, in order, each with its id."""
    match frame.kind:
        case Kind.STDOUT:
            said = FORMATS[name].read(frame.data.decode("utf-8", "replace"))
        case Kind.EVENT:
            said = of_fifo_line(frame.data.decode("utf-8", "replace"))
        case _:
            said = of_frame(frame)
    return [
        Event(event_id(frame.offset, slot), what, data, frame.time)
        for slot, (what, data) in zip(range(SLOTS), said, strict=False)
    ]


@dataclass(slots=True)
class Summary:
    """What a poll shows of a journal: the fold of its events."""

    progress: dict[str, Json] = field(default_factory=dict)
    usage: dict[str, Json] = field(default_factory=dict)
    ended: bool = False
    """Whether the agent gave a result event in its latest attempt."""
    answer: Json = None
    error: str | None = None
    """What the result event said went wrong."""

    def add(self, event: Event) -> None:
        """Take in one event."""
        match event.name:
            case "status":
                self.progress, self.ended, self.answer, self.error = {}, False, None, None
            case "progress":
                self.progress.update((key, _short(value)) for key, value in event.data.items())
            case "usage":
                for name, number in event.data.items():
                    if name in self.usage or len(self.usage) < USAGE_NAMES:
                        self.usage[name] = number
            case "result":
                self.ended = True
                self.answer, self.error = event.data.get("result"), event.data.get("error")

    def outcome(self) -> Outcome | None:
        """Return the agent's own verdict, or None when it gave none."""
        if not self.ended:
            return None
        if self.error is None:
            return Outcome(Status.SUCCEEDED)
        return Outcome(Status.FAILED, Failure.AGENT_ERROR, self.error[:ERROR_LIMIT])

    def stored(self) -> dict[str, Json] | None:
        """Return what is kept in the row of a final run."""
        return {"progress": self.progress, "usage": self.usage} if self.progress or self.usage else None


def _short(value: Json) -> Json:
    return value[:SHOWN] if isinstance(value, str) else value
