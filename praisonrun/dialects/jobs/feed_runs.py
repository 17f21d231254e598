"""The own events of the runs that a listener of all runs names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ...core.errors import BadRequest, Gone, NotFound
from ...core.json import dumps
from ...engine.engine import Engine
from ...engine.shared_results import Apart
from ..event_stream import Cursor, EventStream
from .events import WireEvent, plain
from .feed_cursor import positions
from .feed_items import Encode, Item

EVENTS, BYTES = 200, 64 * 1024
"""Events of one run, and bytes of its journal, that are read at once."""


@dataclass(slots=True)
class _Named:
    cursor: Cursor
    logs: bool
    """Whether only what it printed is wanted."""
    after: int
    """The id of the last event that was handed out."""
    done: bool = False


class OwnEvents:
    """Some runs, and how far a listener has their events."""

    def __init__(self, engine: Engine, events: EventStream[WireEvent], base: str) -> None:
        """`base` is the server's URL."""
        self._engine, self._events, self._base = engine, events, base
        self._named: dict[str, _Named] = {}

    async def name(self, run_id: str, after: int, *, logs: bool) -> bool:
        """Have the events of a run after one, `logs` alone if so wanted; say whether these are known."""
        try:
            cursor = await self._events.cursor(await self._engine.row(run_id), after)
        except (NotFound, BadRequest, Gone):
            return False
        self._named[run_id] = _Named(cursor, logs, after)
        return True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have these runs ring for what they print inside this block."""
        with ExitStack() as stack:
            for run_id in self._named:
                stack.enter_context(self._engine.viewers.watching(run_id))
            yield

    @property
    def ids(self) -> list[str]:
        """The runs that may have more events."""
        live = self._engine.live
        return [run_id for run_id, named in self._named.items() if not named.done or run_id in live]

    @property
    def end(self) -> str:
        """The end of a cursor that says how far each run is."""
        return positions({run_id: named.after for run_id, named in self._named.items()})

    async def read(self, run_id: str, place: str, encode: Encode) -> tuple[list[bytes], bool, Apart | None]:
        """Return the next events of one run as pieces of text, and whether there may be more at once.

        Their cursors begin with `place`. A large event is a piece of its own, which is not copied again, and
        so is a large result, which is returned, too: others share it for as long as somebody has it.
        """
        named, pieces = self._named[run_id], list[bytes]()
        try:
            events, result = await self._read(run_id, named)
        except (NotFound, Gone):  # the history says that it was removed
            named.done = True
            return pieces, False, None
        more = bool(events)  # also where none of them is wanted
        while events:
            event = events.pop(0)
            named.after = event.id
            if event.name == "log" or not named.logs:
                body = dumps({**plain(event), "run_id": run_id})
                text = encode(Item(event.name, body, place + self.end), "")
                for piece in result.pieces(text) if result else [text]:
                    if pieces and len(pieces[-1]) + len(piece) <= BYTES:
                        pieces[-1] += piece
                    else:
                        pieces.append(piece)
        return pieces, more, result

    async def _read(self, run_id: str, named: _Named) -> tuple[list[WireEvent], Apart | None]:
        shown, base = await self._engine.get(run_id), self._base
        found = await self._events.piece(shown, named.cursor, EVENTS, base=base, size=BYTES)
        events, named.done, result = found
        if events:
            named.cursor = await self._events.cursor(shown.run, events[-1].id)
        return events, result
