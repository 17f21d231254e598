"""A run's events in the words of AG-UI: a pure mapping, so a live stream and a replay are the same.

An event's id is 16 x its frame's offset + its number in the frame. A frame has up to 256 events: as many as
its header has ids. Where each line is parsed, all but a frame's first have offsets of their own. All text
that an attempt prints is one message; a structured agent's whole message is a message of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from ...core.json import Json, dumps
from ...core.lifecycle import FINAL
from ...core.model import Mode, Run, Snapshot, Status
from ...journal.attempts import AttemptIndex
from ...journal.format import HEAD_SIZE, IDS_PER_BYTE, Frame, Kind, event_id, json_payload, split_event_id
from ...journal.formats import FORMATS, Event, frame_events
from ...journal.progress import HOPS
from ...journal.reader import Reader
from ...journal.results import Result
from ..event_stream import JOURNAL
from . import show

AgUiEvent = tuple[str, dict[str, Json]]
PER_FRAME = HEAD_SIZE * IDS_PER_BYTE
"""How many ids one frame may use."""
_TOKENS = {
    "inputTokens": ("input_tokens",),
    "outputTokens": ("output_tokens",),
    "totalTokens": ("total_tokens",),
    "cachedInputTokens": ("cached_input_tokens", "cache_read_input_tokens"),
}


class WireEvent(NamedTuple):
    """One event."""

    id: int
    type: str
    """RUN_STARTED, TEXT_MESSAGE_CONTENT, …"""
    payload: dict[str, Json]
    time: int
    """Microseconds since the epoch."""


class RunEvents:
    """The events of one run."""

    def __init__(self, run: Run, format_name: str, reader: Callable[[], Reader | None]) -> None:
        self._run, self._format, self._reader = run, format_name, reader
        self._plain = not FORMATS[format_name].structured
        self._message = show.message_id(run.id)
        self._attempts = AttemptIndex(many=bool(run.retries or run.conversation) or run.mode is Mode.SERVICE)

    def prepare(self, offset: int) -> bool:
        """Learn where some of the attempts before an offset begin; say whether those were all."""
        reader = self._reader()
        if reader is None:
            return True
        with reader:
            return self._attempts.read_to(reader, offset, HOPS)

    def events(self, frames: list[Frame]) -> list[WireEvent]:
        """Return the events of consecutive frames, in order."""
        reader = self._reader() if frames else None
        if reader is not None:
            with reader:
                self._attempts.read_to(reader, frames[-1].end)
        return [event for frame in frames for event in self._of(frame)]

    def last(self, shown: Snapshot, answer: Result, base: str = "") -> list[WireEvent]:  # noqa: ARG002
        """Return the event that ends the stream of a final run."""
        run = shown.run
        error = show.error_of(run) or {}
        if run.status is Status.SUCCEEDED:
            usage = _tokens(shown.usage)
            kind, payload = "RUN_FINISHED", {**self._names(), "result": answer.value}
            payload |= {"metadata": usage} if usage else {}
        else:
            code = "CANCELLED" if run.status is Status.CANCELLED else error.get("code", "failed")
            kind, payload = "RUN_ERROR", {"code": code, "message": error.get("message", "")}
        payload["attempt"] = run.attempt
        return [WireEvent(last_id(run), kind, payload, run.finished_at or 0)]

    def first(self) -> list[WireEvent]:
        """Return no event: the first one is the journal's."""
        return []

    def outside(self, run: Run, after: int) -> bool:
        """Say whether a cursor precedes the journal, or names a final run's end."""
        return after < JOURNAL or (run.status in FINAL and split_event_id(after)[0] == run.journal_end)

    def _of(self, frame: Frame) -> list[WireEvent]:
        attempt = self._attempts.attempt_at(frame.offset)
        return [
            WireEvent(first + number, kind, {**payload, "attempt": attempt}, frame.time)
            for first, mapped in groupby(self._mapped(frame, attempt), itemgetter(0))
            for number, (_, (kind, payload)) in enumerate(islice(mapped, PER_FRAME))
        ]

    def _mapped(self, frame: Frame, attempt: int) -> Iterator[tuple[int, AgUiEvent]]:
        """Yield the events of a frame, each with the id of the first one at its offset."""
        text, first = self._text(attempt), event_id(frame.offset, 0)
        if frame.kind is Kind.ENDED:
            if json_payload(frame.data).get("pid") is not None:
                yield first, ("TEXT_MESSAGE_END", text)
            return
        opens = self._attempts.begins_at(frame.offset)
        if opens and attempt == 1:
            yield first, ("RUN_STARTED", self._names())
        for event in frame_events(self._format, frame):
            if event.name != "status" or not opens or attempt > 1 or "phase" in event.data:
                place = event.id - event.id % IDS_PER_BYTE
                yield from ((place, mapped) for mapped in self._event(event, text))
        if opens:
            yield first, ("TEXT_MESSAGE_START", {**text, "role": "assistant"})

    def _event(self, event: Event, text: dict[str, Json]) -> Iterable[AgUiEvent]:
        match event.name:
            case "log" if self._plain and event.data["stream"] == "stdout":
                return [("TEXT_MESSAGE_CONTENT", {**text, "delta": event.data["text"]})]
            case "message" if event.data.get("delta"):
                return [("TEXT_MESSAGE_CONTENT", {**text, "delta": event.data["text"]})]
            case "message" if event.data.get("repeats"):
                return []
            case "message":
                return _message(f"{self._message}:{event.id}", event.data["text"])
            case "tool_call":
                return _tool_call(f"{self._message}:{event.id}", event.data)
            case "result" | "attempt":
                return []  # only the final row may state how the run ended
        return [("CUSTOM", {"name": event.name, "value": event.data})]

    def _text(self, attempt: int) -> dict[str, Json]:
        """Return the ids of an attempt's message; the first attempt has the run's own message."""
        return _message_ids(self._message if attempt == 1 else f"{self._message}:{attempt}")

    def _names(self) -> dict[str, Json]:
        thread = next(iter(show.conversations(self._run)), self._run.id)
        return {"runId": self._run.id, "threadId": thread, "agentId": self._run.agent}


def _message_ids(name: str) -> dict[str, Json]:
    return {"messageId": name, "contentId": f"{name}:text"}


def _message(name: str, text: str) -> list[AgUiEvent]:
    names = _message_ids(name)
    return [
        ("TEXT_MESSAGE_START", {**names, "role": "assistant"}),
        ("TEXT_MESSAGE_CONTENT", {**names, "delta": text}),
        ("TEXT_MESSAGE_END", names),
    ]


def _tool_call(name: str, data: dict[str, Json]) -> Iterator[AgUiEvent]:
    """Yield a call with its input, its output, or both: an agent may report them one after the other."""
    call = {"toolCallId": str(data.get("id") or name)}
    if "input" in data or "output" not in data:
        yield "TOOL_CALL_START", {**call, "toolCallName": str(data.get("name") or "tool")}
        if "input" in data:
            yield "TOOL_CALL_ARGS", {**call, "delta": _text_of(data["input"])}
        yield "TOOL_CALL_END", call
    if "output" in data:
        shown = {"messageId": name, "content": _text_of(data["output"]), "role": "tool"}
        failed = {"isError": True} if data.get("status") in ("error", "failed") else {}
        yield "TOOL_CALL_RESULT", {**call, **shown, **failed}


def _text_of(value: Json) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _tokens(usage: Json) -> dict[str, int]:
    found = {}
    for name, ours in _TOKENS.items():
        number = next((usage[key] for key in ours if key in usage), None)
        if isinstance(number, int) and 0 <= number < 2**53:
            found[name] = number
    return found


def last_id(run: Run) -> int:
    """Return the id of a final run's last event."""
    assert run.journal_end is not None
    return event_id(run.journal_end, IDS_PER_BYTE - 1)


def sse(found: Iterable[WireEvent]) -> bytes:
    """Return events as one chunk of Server-Sent Events, whose names are in camel case here."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, camel(event.type).encode(), dumps(event.payload))
        for event in found
    )


def camel(name: str) -> str:
    """Return RUN_STARTED as RunStarted."""
    return "".join(part.capitalize() for part in name.split("_"))
