"""The Nullspace dialect's logs: pages of events.

A cursor is the position after an event, so a page is a seek. The events of the row have the first and the
last position.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from ...core.clock import iso
from ...core.errors import BadRequest
from ...core.json import Json
from ...core.model import Mode, Snapshot
from ...journal.backwards import frames_back
from ...journal.format import START, Frame, Kind
from ...journal.progress import GLANCE
from ...journal.reader import Reader
from .log_events import Event, Position, end_of, first_event, frame_events, last_event
from .models import LogsQuery
from .words import deployment_id, process_id, sandbox_id, version_id, wire_id

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,9})")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "praisonrun:log")


PAGE = 4 * 1024 * 1024
"""Characters of messages after which a page ends, and bytes of journal that a tail reads."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one run; its row was read before its journal was opened."""

    shown: Snapshot
    reader: Reader | None

    def page(self, query: LogsQuery) -> dict[str, Json]:
        """Return a page. Raises BadRequest for a cursor that is none of this log. Slow for long logs."""
        start = self._start(query.cursor)
        limit = query.tail or query.limit
        if query.tail is not None:
            found = self._newest(limit)
        else:
            skip = query.offset if query.cursor is None else 0
            events = (event for event in self._from(start.offset) if event.position >= start)
            found = list(_fitting(islice(events, skip, skip + limit + 1)))
        page = found[:limit]
        large = query.tail is None and sum(map(_size, page)) > PAGE
        after = page[-1].after if page else start
        return {
            "events": [self._shown(event) for event in page],
            "offset": query.offset,
            "limit": limit,
            "has_more": len(found) > limit or large,
            "next_cursor": f"{after.offset}-{after.number}",
        }

    def _start(self, cursor: str | None) -> Position:
        if cursor is None:
            return Position(0, 0)
        found = _CURSOR.fullmatch(cursor)
        if found is not None:
            position = Position(*map(int, found.groups()))
            ends = (0, end_of(self.shown.run))
            if position.offset in ends or (self.reader and self.reader.begins_frame(position.offset)):
                return position
        raise BadRequest(f"cursor {cursor[:40]!r} is no place of this log; start without one")

    def _from(self, offset: int) -> Iterator[Event]:
        """Yield all events from an offset on, in order."""
        run = self.shown.run
        if offset == 0:
            yield first_event(run)
        for frames in self.reader.windows(max(offset, START)) if self.reader else ():
            for frame in frames:
                yield from frame_events(run, frame)
        yield from last_event(run)

    def _newest(self, count: int) -> list[Event]:
        """Return the last `count` events."""
        run = self.shown.run
        frames = self._near(self.reader) if self.reader else ()
        events = (event for frame in frames for event in reversed(list(frame_events(run, frame))))
        newest = list(islice(chain(last_event(run), events, [first_event(run)]), count))
        return newest[::-1]

    def _near(self, reader: Reader) -> Iterator[Frame]:
        """Yield the frames of a log from its last on, up to a page of bytes. Results are not shown."""
        size = 0
        for frame in frames_back(reader, GLANCE):
            if frame.kind is not Kind.RESULT:
                yield frame
                size += len(frame.data)
            if size > PAGE:
                return

    def _shown(self, event: Event) -> dict[str, Json]:
        run, entry, position = self.shown.run, event.entry, event.position
        service = run.mode is Mode.SERVICE
        return {
            "id": str(uuid.uuid5(_NAMESPACE, f"{run.id}:{position.offset}:{position.number}")),
            "deployment_id": deployment_id(run.agent),
            "version_id": version_id(run.version),
            "run_id": None if service else wire_id(run),
            "service_instance_id": wire_id(run) if service else None,
            "sandbox_id": sandbox_id(self.shown),
            "process_id": process_id(self.shown),
            "level": entry.level,
            "source": entry.source,
            "event_type": entry.type,
            "message": entry.message,
            "metadata": {"source": entry.source, **entry.more},
            "created_at": iso(event.time),
        }


def _size(event: Event) -> int:
    return len(event.entry.message)


def _fitting(events: Iterable[Event]) -> Iterator[Event]:
    """Yield events until their messages are a PAGE."""
    size = 0
    for event in events:
        yield event
        size += _size(event)
        if size > PAGE:
            return
