"""A run's events as pages and as streams that resume at any event, for every dialect that has such streams.

A dialect gives an EventRenderer, which puts frames into its own words. Ids are pure functions of a frame's
offset, so resuming is a seek, and a live stream and a replay are the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, nullcontext
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from ..core.errors import BadRequest, NotFound
from ..core.lifecycle import FINAL
from ..core.model import Run, Snapshot
from ..engine.engine import Engine
from ..engine.journals import CHUNK, LINES, SharedRendering
from ..engine.shared_results import Apart
from ..journal.backwards import frame_of_line
from ..journal.format import START, Frame, event_id, split_event_id
from ..journal.formats import FORMATS
from ..journal.reader import Reader
from ..journal.results import Result

PAGE = 1024 * 1024
"""Bytes of journal after which a page of events ends."""
JOURNAL = event_id(START, 0)
"""The least id of an event that comes from a journal."""


class HasId(Protocol):
    """An event. Its id can be a cursor: it is greater than the ids of all events before it."""

    @property
    def id(self) -> int: ...


E = TypeVar("E", bound=HasId)


class EventRenderer(Protocol[E]):
    """One run's events in the words of a dialect."""

    def first(self) -> list[E]:
        """Return the events before those of the journal."""

    def prepare(self, offset: int) -> bool:
        """Do some of the work that the events from an offset on need; say whether all of it is done."""

    def events(self, frames: list[Frame]) -> list[E]:
        """Return the events of consecutive frames, in order."""

    def last(self, shown: Snapshot, answer: Result, base: str) -> list[E]:
        """Return the events after those of the journal of a final run; `base` is the server's URL."""

    def outside(self, run: Run, after: int) -> bool:
        """Say whether a cursor names an event outside the journal, or precedes it."""


class Cursor(NamedTuple):
    """A position in a run's events."""

    after: int
    """The id of the last event seen, 0 for none."""
    offset: int
    """Of the frame that holds that event, or of the next one to read."""


Encode: TypeAlias = Callable[[Iterable[E]], bytes]


class EventStream(Generic[E]):
    """The events of all runs in one dialect."""

    def __init__(self, engine: Engine, make: Callable[[Run, str], EventRenderer[E]], span: int = 1) -> None:
        """`make` is given a run and the name of its format; a frame has the ids of `span` offsets."""
        self._engine, self._make, self._span = engine, make, span
        self._renderers: WeakValueDictionary[str, EventRenderer[E]] = WeakValueDictionary()
        self._renderings: dict[Encode[E], SharedRendering] = {}

    async def renderer(self, run: Run) -> EventRenderer[E]:
        """Return the renderer of a run; all viewers share it."""
        known = self._renderers.get(run.id)
        if known is None:
            agent = await self._engine.versions.of(run)
            known = self._renderers.setdefault(run.id, self._make(run, agent.format))
        return known

    async def cursor(self, run: Run, after: int) -> Cursor:
        """Return the position after an event.

        Raises BadRequest for an id that names no event of the run, Gone where its journal is no more.

        An error is better than a guess: a cursor of another run would show a part as the whole.
        """
        offset, _ = split_event_id(after)
        if offset < (run.journal_end or 0):
            self._engine.journals.check(run)
        if (await self.renderer(run)).outside(run, after):
            return Cursor(after, max(offset, START))
        with self._engine.files.reader(run.id) or nullcontext() as reader:
            frame = reader and await self._frame_of(run, reader, offset)
        if frame:
            return Cursor(after, frame)
        raise BadRequest(f"cursor {after} names no event of run {run.id}; start without one")

    async def _frame_of(self, run: Run, reader: Reader, offset: int) -> int | None:
        """Return the offset of the frame that has the events at an offset, None if there is none."""
        for candidate in range(offset, max(offset - self._span, START - 1), -1):
            if reader.begins_frame(candidate):
                return candidate
        agent = await self._engine.versions.of(run)
        return frame_of_line(reader, offset) if FORMATS[agent.format].structured else None

    async def _prepared(self, run: Run, offset: int) -> EventRenderer[E]:
        """Return the renderer of a run, ready for the events from an offset on."""
        renderer = await self.renderer(run)
        while not renderer.prepare(offset):  # noqa: ASYNC110 - no event to wait for: the work itself continues
            await asyncio.sleep(0)
        return renderer

    async def stream(
        self,
        run: Run,
        cursor: Cursor,
        encode: Encode[E],
        *,
        base: str = "",
        hello: bytes = b"",
        farewell: bytes = b"",
    ) -> AsyncGenerator[bytes, None]:
        """Yield all events after a cursor up to the last of a final run, between `hello` and `farewell`.

        Without a farewell the stream ended early: the run was deleted, or the server stops.
        """
        renderer = await self._prepared(run, cursor.offset)
        opening, offset = _after(cursor, renderer.first()), cursor.offset
        if cursor.after >= JOURNAL:
            rest, offset = self._rest(run.id, renderer, cursor)
            opening += rest
        if first := hello + encode(opening):
            yield first
        following = self._engine.journals.follow(run.id, offset, self._rendering(encode))
        try:
            with self._engine.viewers.watching(run.id):
                async with aclosing(following) as chunks:
                    async for chunk in chunks:
                        yield chunk
                shown = await self._engine.followed(run.id)
        except NotFound:
            return
        if shown.run.status in FINAL:
            ending, result = await self._ending(shown, cursor, base, apart=True)
            last = encode(ending) + farewell
            for piece in result.pieces(last) if result else [last]:
                yield piece

    async def page(
        self, shown: Snapshot, cursor: Cursor, limit: int, *, base: str = "", size: int = PAGE
    ) -> tuple[list[E], bool]:
        """Return events after a cursor, and whether the last event of a final run is reached.

        There are at most `limit`, but for the last ones; a page ends after `size` bytes of journal.
        """
        found, done, _ = await self.piece(shown, cursor, limit, base=base, size=size, apart=False)
        return found, done

    async def piece(
        self, shown: Snapshot, cursor: Cursor, limit: int, *, base: str, size: int, apart: bool = True
    ) -> tuple[list[E], bool, Apart | None]:
        """Return a page, and the result that its last events have only as a MARK, if it is large."""
        renderer = await self._prepared(shown.run, cursor.offset)
        found = _after(cursor, renderer.first())
        read, cut = await self._read(shown.run.id, renderer, cursor, limit - len(found), size)
        found += read
        if cut or len(found) >= limit or shown.run.status not in FINAL:
            return found[:limit], False, None
        ending, result = await self._ending(shown, cursor, base, apart=apart)
        return found + ending, True, result

    async def at(self, run: Run, offset: int) -> list[E]:
        """Return the events of a journal from an offset on, as far as one read of the file goes."""
        found, _ = await self._read(run.id, await self._prepared(run, offset), Cursor(0, offset), 1)
        return found

    async def _read(
        self, run_id: str, renderer: EventRenderer[E], cursor: Cursor, enough: int, size: int = PAGE
    ) -> tuple[list[E], bool]:
        """Return events of a journal after a cursor, and whether there are enough, or too many bytes."""
        found: list[E] = []
        with self._engine.files.reader(run_id) or nullcontext() as reader:
            for frames in reader.windows(cursor.offset, CHUNK, LINES) if reader else ():
                found += _after(cursor, renderer.events(frames))
                if len(found) >= enough or (found and frames[-1].end - cursor.offset > size):
                    return found, True
                await asyncio.sleep(0)  # other tasks run while a long journal is read
        return found, False

    def _rest(self, run_id: str, renderer: EventRenderer[E], cursor: Cursor) -> tuple[list[E], int]:
        """Return what follows a cursor inside its own frame, and the offset after that frame."""
        with self._engine.files.reader(run_id) or nullcontext() as reader:
            frames = reader.frames(cursor.offset, CHUNK, 1) if reader else []
        return _after(cursor, renderer.events(frames)), frames[0].end if frames else cursor.offset

    async def _ending(
        self, shown: Snapshot, cursor: Cursor, base: str, *, apart: bool
    ) -> tuple[list[E], Apart | None]:
        """Return the events after those of the journal, and what they have only as a MARK."""
        run = shown.run
        result = await self._engine.shared_results.apart(run) if apart else None
        answer = result.answer if result else await self._engine.journals.result(run)
        return _after(cursor, (await self.renderer(run)).last(shown, answer, base)), result

    def _rendering(self, encode: Encode[E]) -> SharedRendering:
        """Return the chunks that all viewers of one encoding share; each holds its run's renderer."""
        if encode not in self._renderings:
            self._renderings[encode] = SharedRendering(
                lambda run_id, frames: encode(self._renderers[run_id].events(frames))
            )
        return self._renderings[encode]


def _after(cursor: Cursor, events: list[E]) -> list[E]:
    return [event for event in events if event.id > cursor.after]
