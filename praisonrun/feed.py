"""Follows one journal as rendered chunks, shared among viewers who stand at the same place."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable

from .errors import NotFound
from .journal import START, Frame
from .notifier import Notifier, of_run
from .rundir import RunDir
from .story import Reader
from .watch import Watch

CHUNK = 64 * 1024
"""Bytes of journal that are rendered at once, and so what a viewer who takes nothing holds on to."""
SHARED_BYTES = 8 * 1024 * 1024
"""Bytes of rendered chunks that one rendering keeps for other viewers."""


class Rendering:
    """One way to show frames, with a small memory of what it showed last."""

    def __init__(self, render: Callable[[str, list[Frame]], bytes]) -> None:
        """`render` is given the run's id and some of its frames."""
        self._render = render
        self._shown: OrderedDict[tuple[str, int], tuple[bytes, int]] = OrderedDict()
        self._bytes = 0

    def chunk(self, run_id: str, offset: int, reader: Reader) -> tuple[bytes, int]:
        """Return what stands at an offset, rendered, and the offset after it: the same when nothing does."""
        known = self._shown.get((run_id, offset))
        if known is not None:
            return known
        frames = reader.frames(offset, CHUNK)
        if not frames:
            return b"", offset
        chunk = self._render(run_id, frames), frames[-1].end
        self._shown[run_id, offset] = chunk
        self._bytes += len(chunk[0])
        while self._bytes > SHARED_BYTES and len(self._shown) > 1:
            self._bytes -= len(self._shown.popitem(last=False)[1][0])
        return chunk


class Feed:
    """Reads journals as they grow."""

    def __init__(
        self, rundir: RunDir, bells: Notifier, watch: Watch, is_final: Callable[[str], Awaitable[bool]]
    ) -> None:
        self._rundir, self._bells, self._watch, self._is_final = rundir, bells, watch, is_final
        self.closed = False

    def close(self) -> None:
        """End what is followed where it stands, and wait for nothing any more: the server stops."""
        self.closed = True
        self._bells.ring_all()

    async def follow(self, run_id: str, offset: int, rendering: Rendering) -> AsyncGenerator[bytes, None]:
        """Yield chunks from `offset` on until the run is final and read to its end, deleted, or `close`."""
        reader: Reader | None = None
        offset = max(offset, START)
        with self._watch.watching(run_id):
            try:
                while True:
                    bell = self._bells.bell(of_run(run_id))
                    final = await self._is_final(run_id)
                    reader = reader or self._open(run_id)
                    chunk, onward = rendering.chunk(run_id, offset, reader) if reader else (b"", offset)
                    if onward > offset:
                        offset = onward
                        if chunk:
                            yield chunk
                    elif final or self.closed:
                        return
                    else:
                        await bell.wait()
            except NotFound:
                return
            finally:
                if reader is not None:
                    reader.close()

    def _open(self, run_id: str) -> Reader | None:
        try:
            return Reader(self._rundir, run_id)
        except FileNotFoundError:
            return None
