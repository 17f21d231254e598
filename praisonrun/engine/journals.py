"""What runs answered and printed. All who ask at the same time share one reading, and one rendering."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from ..core.errors import Gone, NotFound
from ..core.model import Mode, Run
from ..core.notifier import run_topic
from ..journal.attempts import last_output
from ..journal.backwards import frames_back
from ..journal.format import START, Frame
from ..journal.reader import Reader
from ..journal.results import Result, result
from .context import Context
from .supervisor import Supervisor

T = TypeVar("T")
SHORT = 64 * 1024
"""Bytes of a journal that is read sooner than a thread could be asked to."""
CHUNK = 64 * 1024
"""Bytes of journal that are rendered at once, and so what a viewer who takes nothing holds on to."""
LINES = 1000
"""Lines of output that are rendered at once: each may have an event."""
SHARED_BYTES = 8 * 1024 * 1024
"""Bytes of rendered chunks beyond which the eldest of a run are no longer kept for other viewers."""


class SharedRendering:
    """One way to show frames, which remembers what it showed of a run for as long as somebody views that."""

    def __init__(self, render: Callable[[str, list[Frame]], bytes]) -> None:
        """`render` is given the run's id and some of its frames."""
        self._render = render
        self._shown: dict[str, dict[int, tuple[bytes, int]]] = {}
        self._viewers: Counter[str] = Counter()
        self._bytes = 0

    @contextmanager
    def viewed(self, run_id: str) -> Iterator[None]:
        """Share what is shown of a run inside this block."""
        self._viewers[run_id] += 1
        try:
            yield
        finally:
            self._viewers[run_id] -= 1
            if not self._viewers[run_id]:
                del self._viewers[run_id]
                self._bytes -= sum(len(text) for text, _ in self._shown.pop(run_id, {}).values())

    def chunk(self, run_id: str, offset: int, reader: Reader) -> tuple[bytes, int]:
        """Return what a `viewed` run has at an offset, rendered, and the next offset: the same if none."""
        shown = self._shown.setdefault(run_id, {})
        if (known := shown.get(offset)) is not None:
            return known
        frames = reader.frames(offset, CHUNK, LINES)
        if not frames:
            return b"", offset
        chunk = shown[offset] = self._render(run_id, frames), frames[-1].end
        self._bytes += len(chunk[0])
        while self._bytes > SHARED_BYTES and len(shown) > 1:
            self._bytes -= len(shown.pop(next(iter(shown)))[0])
        return chunk


def _last(reader: Reader) -> Frame | None:
    return next(frames_back(reader, CHUNK), None)


class Journals:
    """Reads journals, whole or as they grow."""

    def __init__(self, context: Context, supervisor: Supervisor) -> None:
        self._context, self._files, self._supervisor = context, context.files, supervisor
        self._reading: dict[Hashable, asyncio.Future[Any]] = {}
        self.dismissed = False
        """Whether nobody should wait for news any more."""

    async def result(self, run: Run) -> Result:
        """Return what a finished run answered."""
        look = partial(result, agent=await self._supervisor.versions.of(run))
        if run.journal_end is not None and run.journal_end <= SHORT:
            found = self._files.read(run.id, look)
        else:
            found = await self._shared(("result", run.journal_end), run.id, look)
        return found or Result(None, error=self.missing(run))

    def missing(self, run: Run) -> str | None:
        """Say that the journal of a finished run is gone; None if it is there, or never was."""
        if (
            run.finished_at is None
            or (run.journal_end or START) <= START
            or self._files.journal(run.id).exists()
        ):
            return None
        return f"the files of run {run.id} are gone"

    def check(self, run: Run) -> None:
        """Raise Gone if the journal of a finished run is `missing`: nothing is not what it printed."""
        if why := self.missing(run):
            raise Gone(why)

    async def logs(self, run: Run, size: int) -> str:
        """Return the last `size` bytes of a finished run's output, with its attempts told apart."""
        look = partial(last_output, size=size, many=run.attempt > 1 or run.mode is Mode.SERVICE)
        found = await self._shared(("logs", run.journal_end, size), run.id, look)
        return f"praisonrun: {why}\n" if (why := self.missing(run)) else found or ""

    async def last_frame(self, run_id: str) -> int | None:
        """Return the offset of the last frame of a run's journal, None while there is none."""
        last = await asyncio.to_thread(self._files.read, run_id, _last)
        return last and last.offset

    async def _shared(self, what: Hashable, run_id: str, look: Callable[[Reader], T]) -> T | None:
        """Look at a journal in a thread. All who ask for the same meanwhile share the answer."""
        key = (run_id, what)
        reading = self._reading.get(key)
        if reading is None:
            read = asyncio.to_thread(self._files.read, run_id, look)
            reading = self._reading[key] = asyncio.ensure_future(read)
            reading.add_done_callback(lambda _: self._reading.pop(key))
        found: T | None = await asyncio.shield(reading)
        return found

    def dismiss(self) -> None:
        """Let all who follow go, and those who wait for news: the server stops."""
        self.dismissed = True
        self._context.notifier.ring_all()

    async def follow(self, run_id: str, offset: int, shared: SharedRendering) -> AsyncGenerator[bytes, None]:
        """Yield chunks from `offset` on until the run is final and read to its end, deleted, or `dismiss`."""
        reader: Reader | None = None
        offset = max(offset, START)
        with suppress(NotFound), self._context.viewers.watching(run_id), shared.viewed(run_id):
            try:
                while True:
                    bell = self._context.notifier.bell(run_topic(run_id))
                    final = await self._supervisor.is_final(run_id)
                    reader = reader or self._files.reader(run_id)
                    chunk, onward = shared.chunk(run_id, offset, reader) if reader else (b"", offset)
                    if onward > offset:
                        offset = onward
                        if chunk:
                            yield chunk
                        await asyncio.sleep(0)  # who catches up, or writes to a client that left, gives way
                    elif final or self.dismissed:
                        return
                    else:
                        await bell.wait()
            finally:
                if reader is not None:
                    reader.close()
