"""Follows one journal as rendered chunks, shared among viewers who stand at the same place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..core.errors import NotFound
from ..core.notifier import Notifier, run_topic
from ..files.run_files import RunFiles
from ..journal.format import START, Frame
from ..journal.reader import Reader
from .viewers import Viewers

CHUNK = 64 * 1024
"""Bytes of journal that are rendered at once, and so what a viewer who takes nothing holds on to."""
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
        """Return what stands at an offset, rendered, and the offset after it: the same when nothing does.

        To be called where the run is `viewed`.
        """
        shown = self._shown.setdefault(run_id, {})
        known = shown.get(offset)
        if known is not None:
            return known
        frames = reader.frames(offset, CHUNK)
        if not frames:
            return b"", offset
        chunk = shown[offset] = self._render(run_id, frames), frames[-1].end
        self._bytes += len(chunk[0])
        while self._bytes > SHARED_BYTES and len(shown) > 1:
            self._bytes -= len(shown.pop(next(iter(shown)))[0])
        return chunk


class Follower:
    """Reads journals as they grow."""

    def __init__(
        self,
        files: RunFiles,
        notifier: Notifier,
        viewers: Viewers,
        is_final: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._files, self._notifier, self._viewers, self._is_final = files, notifier, viewers, is_final
        self.closed = False

    def close(self) -> None:
        """End what is followed where it stands, and wait for nothing any more: the server stops."""
        self.closed = True
        self._notifier.ring_all()

    async def follow(
        self, run_id: str, offset: int, rendering: SharedRendering
    ) -> AsyncGenerator[bytes, None]:
        """Yield chunks from `offset` on until the run is final and read to its end, deleted, or `close`."""
        reader: Reader | None = None
        offset = max(offset, START)
        with self._viewers.watching(run_id), rendering.viewed(run_id):
            try:
                while True:
                    bell = self._notifier.bell(run_topic(run_id))
                    final = await self._is_final(run_id)
                    reader = reader or self._files.reader(run_id)
                    chunk, onward = rendering.chunk(run_id, offset, reader) if reader else (b"", offset)
                    if onward > offset:
                        offset = onward
                        if chunk:
                            yield chunk
                        await asyncio.sleep(0)  # who catches up, or writes to a client that left, gives way
                    elif final or self.closed:
                        return
                    else:
                        await bell.wait()
            except NotFound:
                return
            finally:
                if reader is not None:
                    reader.close()
