"""What a journal comes to: the answer and the last words of its latest attempt."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from ..core.agent import Agent
from ..core.model import Json
from .backwards import frames_back, latest_back
from .events import parse_json
from .format import Frame, Kind
from .formats import FORMATS, frame_events
from .last_words import output_end
from .printed import printed
from .reader import Reader

MESSAGE_SHOWN = 8 * 1024 * 1024
"""Characters of a message of many pieces, from its end."""
WORDS_SHOWN = 1000
"""Characters of output in an error."""
_GLANCE = 16 * 1024
"""Bytes of one read of the end."""


class Result(NamedTuple):
    """A run's answer."""

    value: Json
    complete: bool = True
    """False if the output was longer than RESULT_SHOWN."""
    error: str | None = None
    """Why there is none."""


def result(reader: Reader, agent: Agent) -> Result:
    """Return the latest attempt's answer: its result file, else the format's result event, else stdout."""
    if (file := result_file(reader)) is not None:
        return Result(_read_file(file.data))
    if FORMATS[agent.format].structured:
        return Result(_answer(reader, agent.format))
    return Result(*printed(reader, agent.truth.banner))


def result_file(reader: Reader) -> Frame | None:
    """Return the frame of the latest attempt's result file. All that the agent printed is before it."""
    for frame in frames_back(reader, _GLANCE):
        if frame.kind is Kind.RESULT:
            return frame
        if frame.kind in (Kind.STARTED, Kind.STDOUT, Kind.DROPPED):
            break
    return None


def _answer(reader: Reader, format_name: str) -> Json:
    """Return what the last result event says, or the last message before it. Both are near the end."""
    may_answer = FORMATS[format_name].may_answer
    ended, pieces = False, _Pieces()
    for frame in latest_back(reader):
        if frame.kind is not Kind.STDOUT or not may_answer(frame.data):
            continue
        for name, data in ((event.name, event.data) for event in reversed(frame_events(format_name, frame))):
            if name == "result" and not ended:
                if "result" in data or "error" in data:
                    return data.get("result")
                ended = True
            elif ended and name in ("message", "tool_call") and pieces.complete(data):
                return pieces.text
    return pieces.text if ended else None


class _Pieces:
    """The last message of an agent, from its end to its beginning."""

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._size = 0

    @property
    def text(self) -> str | None:
        return "".join(self._parts) or None

    def complete(self, data: Mapping[str, Json]) -> bool:
        """Add what came before; say whether the message is whole now."""
        if data.get("delta"):
            self._parts.appendleft(data["text"])
            self._size += len(data["text"])
            return self._size > MESSAGE_SHOWN
        if not self._parts and "text" in data:
            self._parts.append(data["text"])
        return bool(self._parts)


def _read_file(content: bytes) -> Json:
    text = content.decode("utf-8", "replace")
    found, value = parse_json(text)
    return value if found else text


def last_words(reader: Reader, lines: int) -> str:
    """Return the last `lines` lines of the latest attempt's output, WORDS_SHOWN characters at most."""
    words = output_end(reader, 4 * WORDS_SHOWN).decode("utf-8", "replace")
    return "\n".join(words.splitlines()[-lines:])[-WORDS_SHOWN:]
