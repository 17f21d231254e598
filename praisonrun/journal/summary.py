"""What a run's events add up to: its progress, its usage, and what its latest attempt says of its own end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.model import Json, Verdict
from .format import Frame, Kind
from .formats import FORMATS, Event, frame_events

SHOWN = 4096
"""Characters of a step or a message in a run's status. The stream has all of it."""
ERROR_LIMIT = 64 * 1024
"""Characters of an agent's own error that are stored with its run."""
USAGE_NAMES = 100
"""Different numbers in a run's usage: every list of runs reads them, whatever an agent invents."""
USAGE_MOST = 10**15
"""The largest number of a run's usage, either way: a sum of two never overflows."""
NOTHING = Verdict()


@dataclass(slots=True)
class Summary:
    """What a run's status shows of its journal: its events, folded."""

    progress: dict[str, Json] = field(default_factory=dict)
    usage: dict[str, Json] = field(default_factory=dict)
    """Of all attempts together."""
    session: str | None = None
    """What the agent of the latest attempt calls its conversation."""
    anew: bool = False
    """Whether it began its conversation anew."""
    uncounted: int = 0
    """Attempts before it that did not know their conversation, and no retry was spent on."""
    verdict: Verdict = NOTHING
    """Of the latest attempt."""
    _earlier: Mapping[str, Json] = field(default_factory=dict)
    """The usage of the attempts before the latest one."""
    _before: bool | None = None
    """`anew` of the attempt before it, None for the first."""
    _begun: bool = False

    def add(self, format_name: str, frame: Frame) -> None:
        """Fold in the events of one frame."""
        if frame.kind is Kind.STDOUT and not FORMATS[format_name].may_tell(frame.data):
            return
        for event in frame_events(format_name, frame):
            self._fold(event, frame)

    def _fold(self, event: Event, frame: Frame) -> None:
        match event.name:
            case "attempt":
                self._begin(event.data)
            case "status":
                self.progress, self.verdict, self._earlier = {}, NOTHING, dict(self.usage)
                self.session = None
            case "progress":
                self._advance(event.data)
            case "message" | "tool_call" if frame.kind is Kind.STDOUT:
                self._heard(event.data)
            case "usage":
                self._use(event.data)
            case "session":
                self._open(event.data)
            case "result":
                self._end(event.data)

    def _begin(self, data: Mapping[str, Json]) -> None:
        if data["state"] == "start":
            self._before = self.anew if self._begun else None
            self._begun, self.anew = True, False

    def _open(self, data: Mapping[str, Json]) -> None:
        """Take the name of the conversation, or that it is a new one in place of another."""
        if "started_anew" in data:
            self.anew = True
            self.uncounted += self._before is False
        else:
            self.session = data["id"]

    def stored(self) -> dict[str, Json] | None:
        """Return what the row of a final run keeps."""
        return {"progress": self.progress, "usage": self.usage} if self.progress or self.usage else None

    def _advance(self, data: Mapping[str, Json]) -> None:
        for key, value in data.items():
            if key == "retry":
                self.verdict = self.verdict._replace(trouble=data["step"])
            else:
                self.progress[key] = value[:SHOWN] if isinstance(value, str) else value

    def _heard(self, data: Mapping[str, Json]) -> None:
        """Note that the model answers: what the agent said of its tries to reach it is over."""
        verdict = self.verdict
        if verdict.trouble and self.progress.get("step") == verdict.trouble:
            del self.progress["step"]
        spoken = verdict.answered or not _blank(data.get("text"))
        self.verdict = verdict._replace(trouble="", answered=spoken)

    def _use(self, data: Mapping[str, Json]) -> None:
        """Take what an attempt used so far, in place of what it said before; with `delta`, add it to that."""
        numbers = dict(data)
        before = self.usage if numbers.pop("delta", False) else self._earlier
        for name, number in numbers.items():
            if name in self.usage or len(self.usage) < USAGE_NAMES:
                self.usage[name] = max(-USAGE_MOST, min(before.get(name, 0) + number, USAGE_MOST))

    def _end(self, data: Mapping[str, Json]) -> None:
        """Take a result event. One that does not say that all is well leaves an error before it."""
        verdict = self.verdict._replace(ended=True, certain=data.get("success") is True)
        if "error" in data:
            verdict = verdict._replace(error=_cut(data["error"]))
        elif verdict.certain:
            verdict = verdict._replace(error=None, trouble="")
        if "result" in data:
            verdict = verdict._replace(answered=not _blank(data["result"]))
        self.verdict = verdict


def _blank(answer: Json) -> bool:
    return answer is None or (isinstance(answer, str) and not answer.strip())


def _cut(error: str) -> str:
    more = len(error) - ERROR_LIMIT
    return error[:ERROR_LIMIT] + (f" … {more} characters omitted" if more > 0 else "")
