"""The deployments dialect's logs: a journal, and the row around it, as pages of events.

An event's place is its frame's offset and its number within the frame; what comes from the row takes the
first and the last place. A cursor is the place after an event, so a page is a seek.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ...core.clock import iso
from ...core.errors import BadRequest
from ...core.json import Json
from ...core.model import Mode, Run, Snapshot, Status
from ...journal.format import START, Frame, Kind
from ...journal.formats.events import parse_object
from ...journal.reader import Reader
from . import show
from .models import LogsQuery

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,9})")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "praisonrun:log")
_SAYING = frozenset({Kind.STDOUT, Kind.STDERR, Kind.EVENT, Kind.ENDED, Kind.DROPPED})
"""Frames of these kinds give an event at least; one of STARTED may."""
_END = 10**17
"""The place of a final run's last event, where its row does not say how long its journal is."""


class Place(NamedTuple):
    """Where an event stands, or, as a cursor, where the next one does."""

    offset: int
    number: int


class Said(NamedTuple):
    """An event before it is shown."""

    level: str
    source: str
    type: str
    message: str
    more: dict[str, Json] = {}  # noqa: RUF012 - never changed


class Event(NamedTuple):
    """An event, its place and its time (microseconds)."""

    place: Place
    said: Said
    time: int

    @property
    def after(self) -> str:
        """The cursor behind the event."""
        return f"{self.place.offset}-{self.place.number + 1}"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one run: its row as it was before the journal was opened."""

    shown: Snapshot
    reader: Reader | None

    def page(self, query: LogsQuery) -> dict[str, Json]:
        """Return a page. Raises BadRequest for a cursor that is none of this log. Slow for long logs."""
        start = self._start(query.cursor)
        limit = query.limit
        if query.tail is not None:
            limit = query.tail
            events: Iterator[Event] = iter(self._newest(query.tail))
        else:
            offset = query.offset if query.cursor is None else 0
            events = islice(self._from(start), offset, None)
        found = list(islice(events, limit + 1))
        page = found[:limit]
        return {
            "events": [self._shown(event) for event in page],
            "offset": query.offset,
            "limit": limit,
            "has_more": len(found) > limit,
            "next_cursor": page[-1].after if page else f"{start.offset}-{start.number}",
        }

    def _start(self, cursor: str | None) -> Place:
        if cursor is None:
            return Place(0, 0)
        found = _CURSOR.fullmatch(cursor)
        place = Place(*map(int, found.groups())) if found else None
        if place is None or not self._known(place.offset):
            raise BadRequest(f"cursor {cursor[:40]!r} is no place of this log; start without one")
        return place

    def _known(self, offset: int) -> bool:
        ends = (0, _end(self.shown.run))
        return offset in ends or (self.reader is not None and self.reader.begins_frame(offset))

    def _from(self, start: Place) -> Iterator[Event]:
        """Yield what stands from a place on, in order."""
        run = self.shown.run
        if start <= (0, 0):
            yield Event(Place(0, 0), _first(run), run.created_at)
        offset = max(start.offset, START)
        while self.reader is not None and (frames := self.reader.frames(offset)):
            for frame in frames:
                yield from _of(run, frame, start.number if frame.offset == start.offset else 0)
            offset = frames[-1].end
        last = _last(run)
        if last is not None and last.place >= start:
            yield last

    def _newest(self, count: int) -> list[Event]:
        """Return the last `count` events."""
        run, newest = self.shown.run, deque[Event](maxlen=count)
        newest.append(Event(Place(0, 0), _first(run), run.created_at))
        if self.reader is not None:
            kinds = _SAYING | {Kind.STARTED}
            headers = (header for header in self.reader.headers(START) if header.kind in kinds)
            for header in deque(headers, maxlen=2 * count):
                newest.extend(_of(run, self.reader.frame(header), 0))
        newest.extend(filter(None, [_last(run)]))
        return list(newest)

    def _shown(self, event: Event) -> dict[str, Json]:
        run, said = self.shown.run, event.said
        wire = show.wire_id(run)
        service = run.mode is Mode.SERVICE
        return {
            "id": str(uuid.uuid5(_NAMESPACE, f"{run.id}:{event.place.offset}:{event.place.number}")),
            "deployment_id": show.deployment_id(run.agent),
            "version_id": show.version_id(run.version),
            "run_id": None if service else wire,
            "service_instance_id": wire if service else None,
            "sandbox_id": show.sandbox_id(self.shown),
            "process_id": show.process_id(self.shown),
            "level": said.level,
            "source": said.source,
            "event_type": said.type,
            "message": said.message,
            "metadata": {"source": said.source, **said.more},
            "created_at": iso(event.time),
        }


def _of(run: Run, frame: Frame, skip: int) -> Iterator[Event]:
    """Yield a frame's events, without the first `skip`."""
    for number, said in enumerate(_said(run, frame)):
        if number >= skip:
            yield Event(Place(frame.offset, number), said, frame.time)


def _said(run: Run, frame: Frame) -> list[Said]:
    text = frame.data.decode("utf-8", "replace")
    match frame.kind:
        case Kind.STDOUT:
            return [Said("info", "stdout", "stdout", line) for line in _lines(text)]
        case Kind.STDERR:
            return [Said("warn", "stderr", "stderr", line) for line in _lines(text)]
        case Kind.EVENT:
            return [_told(text)]
        case Kind.STARTED | Kind.ENDED | Kind.DROPPED:
            return _lived(run, frame.kind, parse_object(text) or {})
    return []


def _lines(text: str) -> list[str]:
    # Not splitlines: a carriage return, which progress bars are full of, ends no line.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _told(line: str) -> Said:
    """Return what the agent said through its FIFO, or this server of a service's readiness."""
    said = parse_object(line)
    if said is None:
        return Said("info", "system", "agent_event", line.rstrip("\n"))
    if said.get("type") == "log" and said.get("source") == "readiness":
        word = str(said.get("condition"))
        level = "info" if word == "ready" else "warn"
        return Said(level, "readiness", f"service_{word}", str(said.get("text", "")).rstrip("\n"))
    message = next((said[key] for key in ("message", "text", "step") if isinstance(said.get(key), str)), None)
    return Said("info", "system", "agent_event", message or line.rstrip("\n"), {"event": said})


def _lived(run: Run, kind: Kind, payload: dict[str, Json]) -> list[Said]:
    """Return what the shim says of an attempt."""
    if kind is Kind.DROPPED:
        lost = sum(size for size in payload.values() if isinstance(size, int))
        return [Said("warn", "system", "output_dropped", f"output cap reached: {lost} bytes dropped here")]
    attempt = {"attempt": payload.get("attempt")}
    if kind is Kind.ENDED:
        return [Said("info", "lifecycle", "process_exited", _how(payload), attempt)]
    if "pid" not in payload:
        return []
    if payload.get("phase") == "installing":
        return [
            Said("info", "lifecycle", "install_started", f"install process {payload['pid']} started", attempt)
        ]
    word = "service" if run.mode is Mode.SERVICE else "run"
    return [Said("info", "lifecycle", f"{word}_started", f"process {payload['pid']} started", attempt)]


def _how(ended: dict[str, Json]) -> str:
    if ended.get("signal") is not None:
        how = f"was killed by signal {ended['signal']}"
    elif ended.get("code") is not None:
        how = f"exited with {ended['code']}"
    else:
        how = "was not started"
    reason = ended.get("error") or (ended["reason"] if ended.get("reason") != "exited" else None)
    return f"process {how}{f' ({reason})' if reason else ''}"


def _first(run: Run) -> Said:
    if run.mode is Mode.SERVICE:
        return Said("info", "lifecycle", "service_created", f"service created for port {run.port}")
    return Said("info", "lifecycle", "run_queued", "run queued")


def _last(run: Run) -> Event | None:
    """Return what the row says at a run's end."""
    if run.finished_at is None:
        return None
    service = run.mode is Mode.SERVICE
    word = show.service_word(Snapshot(run)) if service else show.run_word(Snapshot(run))
    reason = show.failure_reason(run)
    more: dict[str, Json] = {}
    if run.status is Status.FAILED or (run.status is Status.CANCELLED and not service):
        more = {"failure_phase": show.failure_phase(run), "failure": run.failure}
    level = "error" if run.status is Status.FAILED else "info"
    kind = "service" if service else "run"
    message = f"{kind} {word}{f': {reason}' if reason else ''}"
    said = Said(level, "lifecycle", f"{kind}_{word}", message, more)
    return Event(Place(_end(run), 0), said, run.finished_at)


def _end(run: Run) -> int:
    return _END if run.journal_end is None else run.journal_end
