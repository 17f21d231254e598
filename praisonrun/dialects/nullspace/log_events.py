"""A journal's frames, and the row around them, as the log events of the Nullspace dialect: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...core.json import Json
from ...core.model import Mode, Run, Snapshot, Status
from ...core.question import Ask, BadAsk
from ...journal.events import ask_in, parse_object
from ...journal.format import Frame, Kind
from .words import failure_phase, failure_reason, status

_END = 10**17
"""The offset of a final run's last event, where its row does not say how long its journal is."""


class Position(NamedTuple):
    """An event's place in a log: its frame's offset and its number in the frame."""

    offset: int
    number: int


class Entry(NamedTuple):
    """What an event says, before its run's names are added."""

    level: str
    source: str
    type: str
    message: str
    more: dict[str, Json] = {}  # noqa: RUF012 - never changed


class Event(NamedTuple):
    """An entry, its position and its time (microseconds)."""

    position: Position
    entry: Entry
    time: int

    @property
    def after(self) -> Position:
        """The place after the event."""
        return self.position._replace(number=self.position.number + 1)


def frame_events(run: Run, frame: Frame) -> Iterator[Event]:
    """Yield the events of a frame."""
    for number, entry in enumerate(_entries(run, frame)):
        yield Event(Position(frame.offset, number), entry, frame.time)


def _entries(run: Run, frame: Frame) -> list[Entry]:
    text = frame.data.decode("utf-8", "replace")
    match frame.kind:
        case Kind.STDOUT | Kind.STDERR:
            level, stream = ("info", "stdout") if frame.kind is Kind.STDOUT else ("warn", "stderr")
            # Not splitlines: a carriage return, as in progress bars, ends no line.
            lines = text.removesuffix("\n").split("\n")
            return [Entry(level, stream, stream, line.removesuffix("\r")) for line in lines]
        case Kind.EVENT:
            return [_told(text)]
        case Kind.STARTED | Kind.ENDED | Kind.DROPPED:
            return _of_the_shim(run, frame.kind, parse_object(text) or {})
    return []


def _told(line: str) -> Entry:
    """Return a line of the agent's event FIFO, or the server's own line about a service's readiness."""
    event = parse_object(line)
    if event is None:
        return Entry("info", "system", "agent_event", line.rstrip("\n"))
    if event.get("type") == "log" and event.get("source") == "readiness":
        word = str(event.get("condition"))
        level = "info" if word == "ready" else "warn"
        return Entry(level, "readiness", f"service_{word}", str(event.get("text", "")).rstrip("\n"))
    match ask_in(line.encode()):
        case Ask(question=question):
            return Entry("info", "system", "question_asked", question, {"event": event})
        case BadAsk() as fault:
            return Entry(
                "warn", "system", "question_rejected", f"question rejected: {fault}", {"event": event}
            )
    said = [event[key] for key in ("message", "text", "step") if isinstance(event.get(key), str)]
    message = (said and said[0]) or line.rstrip("\n")
    return Entry("info", "system", "agent_event", message, {"event": event})


def _of_the_shim(run: Run, kind: Kind, payload: dict[str, Json]) -> list[Entry]:
    """Return what the shim wrote about an attempt."""
    if kind is Kind.DROPPED:
        lost = sum(size for size in payload.values() if isinstance(size, int))
        return [Entry("warn", "system", "output_dropped", f"output cap reached: {lost} bytes dropped here")]
    if kind is Kind.ENDED:
        name, message = "process_exited", f"process {_how(payload)}"
    elif "pid" not in payload:
        return []
    elif payload.get("phase") == "installing":
        name, message = "install_started", f"install process {payload['pid']} started"
    else:
        name, message = f"{run.mode}_started", f"process {payload['pid']} started"
    return [Entry("info", "lifecycle", name, message, {"attempt": payload.get("attempt")})]


def _how(ended: dict[str, Json]) -> str:
    how = "was not started"
    if ended.get("signal") is not None:
        how = f"was killed by signal {ended['signal']}"
    elif ended.get("code") is not None:
        how = f"exited with {ended['code']}"
    reason = ended.get("error") or (ended["reason"] if ended.get("reason") != "exited" else None)
    return f"{how} ({reason})" if reason else how


def first_event(run: Run) -> Event:
    """Return the event of a run's submit, which comes from its row."""
    entry = Entry("info", "lifecycle", "run_queued", "run queued")
    if run.mode is Mode.SERVICE:
        entry = Entry("info", "lifecycle", "service_created", f"service created for port {run.port}")
    return Event(Position(0, 0), entry, run.created_at)


def last_event(run: Run) -> Iterator[Event]:
    """Yield the event of a final run's end, which comes from its row; nothing before the end."""
    if run.finished_at is None:
        return
    word, reason = status(Snapshot(run)), failure_reason(run)
    failed = run.status is Status.FAILED
    more: dict[str, Json] = {}
    if failed or (run.status is Status.CANCELLED and run.mode is Mode.RUN):
        more = {"failure_phase": failure_phase(run), "failure": run.failure}
    message = f"{run.mode} {word}{f': {reason}' if reason else ''}"
    entry = Entry("error" if failed else "info", "lifecycle", f"{run.mode}_{word}", message, more)
    yield Event(Position(end_of(run), 0), entry, run.finished_at)


def end_of(run: Run) -> int:
    """Return the offset of a run's last event."""
    return _END if run.journal_end is None else run.journal_end
