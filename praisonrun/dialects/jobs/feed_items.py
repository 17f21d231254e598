"""What the stream of all runs says, as JSON; listeners at the same place share one reading and one text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

from ...core.clock import iso
from ...core.json import Json, dumps
from ...core.model import Mode
from ...engine.engine import Engine
from ...engine.feed import Seen
from ...engine.pulse import Beat
from .feed_cursor import place, store_of
from .show import progress_shown, status

KEPT = 32
"""Readings that are kept for the listeners that come to the same place."""


class Item(NamedTuple):
    """One event."""

    name: str
    body: bytes
    """A JSON object without its cursor."""
    cursor: str = ""
    """Where the client is when it has it; empty for what is no part of the history."""


Encode: TypeAlias = Callable[[Item, str], bytes]
"""Makes text of an item; the second argument is the end of its cursor."""


def item(name: str, fields: Mapping[str, Json], cursor: str = "") -> Item:
    """Return an event with some fields."""
    return Item(name, dumps({"event": name, **fields}), cursor)


def line(said: Item, end: str) -> bytes:
    """Return an event as a line of JSON."""
    if not said.cursor:
        return said.body + b"\n"
    rest = f',"cursor":"{said.cursor}{end}"}}\n'
    return b"".join((memoryview(said.body)[:-1], rest.encode()))  # a body may be large: it is copied once


def sse(said: Item, end: str) -> bytes:
    """Return an event as a Server-Sent Event, with the same JSON."""
    number = b"id: %b%b\n" % (said.cursor.encode(), end.encode()) if said.cursor else b""
    return b"%bevent: %b\ndata: %b\n" % (number, said.name.encode(), line(said, end))


class Reading:
    """Some changes, as items."""

    def __init__(self, items: list[Item], upto: int, more: bool = False, reset: str = "") -> None:
        self.items, self.next, self.more, self.reset = items, upto, more, reset
        self._texts: dict[Encode, bytes] = {}

    def text(self, encode: Encode, end: str) -> bytes:
        """Return all items as text; where cursors have no end of their own it is made once for all."""
        if end:
            return b"".join([encode(each, end) for each in self.items])
        if encode not in self._texts:
            self._texts[encode] = b"".join([encode(each, "") for each in self.items])
        return self._texts[encode]


class _Shared(NamedTuple):
    number: int
    bell: asyncio.Event
    """Not rung yet while the reading has all there is."""
    reading: asyncio.Future[Reading]

    def serves(self) -> bool:
        """Say whether who comes now misses nothing: all changes are in it, or it is read on after it."""
        if not self.reading.done():
            return not self.bell.is_set()
        return not _failed(self.reading) and (bool(self.reading.result().items) or not self.bell.is_set())


def _failed(done: asyncio.Future[Reading]) -> bool:
    return done.cancelled() or done.exception() is not None


class Source:
    """The history of one server, read once for all listeners that are at the same place."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[int, Mode], _Shared] = {}
        self.number = 0
        """Readings so far. A listener takes none from before it came: it may have seen newer lists."""

    @property
    def store(self) -> str:
        """What its cursors begin with."""
        return store_of(self._engine.store.id)

    async def read(self, rev: int, mode: Mode, born: int) -> Reading:
        """Return the changes after a rev, for a listener that came after reading number `born`."""
        key = (rev, mode)
        known = self._known.get(key)
        if known is None or known.number <= born or not known.serves():
            self.number += 1
            reading = asyncio.ensure_future(self._read(rev, mode))
            known = self._known[key] = _Shared(self.number, self._engine.feed.changed(), reading)
            reading.add_done_callback(partial(self._keep, key))
        return await asyncio.shield(known.reading)

    def _keep(self, key: tuple[int, Mode], done: asyncio.Future[Reading]) -> None:
        failed = _failed(done)
        known = self._known.get(key)
        if known is not None and known.reading is done and (failed or not done.result().items):
            del self._known[key]
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    async def _read(self, rev: int, mode: Mode) -> Reading:
        window = await self._engine.feed.after(rev)
        items = [
            self._item(each) for each in window.changes if each.shown is None or each.shown.run.mode is mode
        ]
        return Reading(items, window.next, window.more, window.reset)

    def _item(self, seen: Seen) -> Item:
        cursor = place(self.store, seen.rev)
        if seen.shown is None:
            return item("removed", {"id": seen.id, "ts": iso(seen.at)}, cursor)
        return item("run", {"run": status(seen.shown), "ts": iso(seen.at)}, cursor)

    def beats(self, number: int, mode: Mode) -> list[Item]:
        """Return how far the live runs are, as far as it was found after a beat."""
        return [_beat(beat) for beat in self._engine.feed.pulse.since(number) if beat.mode is mode]


def _beat(beat: Beat) -> Item:
    value = progress_shown(beat.value) if beat.name == "progress" else dict(beat.value)
    return item(beat.name, {"id": beat.run_id, beat.name: value, "ts": iso(beat.at)})
