"""The Nullspace dialect's logs: pages of events.

A cursor is the position after an event, so a page is a seek. The events of the row have the first and the
last position.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ...core.clock import iso
from ...core.errors import BadRequest
from ...core.json import Json
from ...core.model import Mode, Snapshot
from ...journal.format import START, Kind
from ...journal.reader import Reader
from .ids import deployment_id, sandbox_id, version_id, wire_id
from .log_events import Event, Position, end_of, first_event, frame_events, last_event
from .models import LogsQuery
from .show import process_id

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,9})")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "praisonrun:log")
_ALWAYS = frozenset({Kind.STDOUT, Kind.STDERR, Kind.EVENT, Kind.ENDED, Kind.DROPPED})
"""A frame of these kinds has at least one event; one of STARTED may have one."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one run; its row was read before its journal was opened."""

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

    def _start(self, cursor: str | None) -> Position:
        if cursor is None:
            return Position(0, 0)
        found = _CURSOR.fullmatch(cursor)
        position = Position(*map(int, found.groups())) if found else None
        if position is None or not self._known(position.offset):
            raise BadRequest(f"cursor {cursor[:40]!r} is no place of this log; start without one")
        return position

    def _known(self, offset: int) -> bool:
        ends = (0, end_of(self.shown.run))
        return offset in ends or (self.reader is not None and self.reader.begins_frame(offset))

    def _from(self, start: Position) -> Iterator[Event]:
        """Yield all events from a position on, in order."""
        run = self.shown.run
        if start <= (0, 0):
            yield first_event(run)
        offset = max(start.offset, START)
        while self.reader is not None and (frames := self.reader.frames(offset)):
            for frame in frames:
                yield from frame_events(run, frame, start.number if frame.offset == start.offset else 0)
            offset = frames[-1].end
        last = last_event(run)
        if last is not None and last.position >= start:
            yield last

    def _newest(self, count: int) -> list[Event]:
        """Return the last `count` events."""
        run, newest = self.shown.run, deque[Event](maxlen=count)
        newest.append(first_event(run))
        if self.reader is not None:
            kinds = _ALWAYS | {Kind.STARTED}
            headers = (header for header in self.reader.headers(START) if header.kind in kinds)
            for header in deque(headers, maxlen=2 * count):
                newest.extend(frame_events(run, self.reader.frame(header)))
        newest.extend(filter(None, [last_event(run)]))
        return list(newest)

    def _shown(self, event: Event) -> dict[str, Json]:
        run, entry, position = self.shown.run, event.entry, event.position
        wire = wire_id(run)
        service = run.mode is Mode.SERVICE
        return {
            "id": str(uuid.uuid5(_NAMESPACE, f"{run.id}:{position.offset}:{position.number}")),
            "deployment_id": deployment_id(run.agent),
            "version_id": version_id(run.version),
            "run_id": None if service else wire,
            "service_instance_id": wire if service else None,
            "sandbox_id": sandbox_id(self.shown),
            "process_id": process_id(self.shown),
            "level": entry.level,
            "source": entry.source,
            "event_type": entry.type,
            "message": entry.message,
            "metadata": {"source": entry.source, **entry.more},
            "created_at": iso(event.time),
        }
