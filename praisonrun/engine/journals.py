"""What runs answered and printed, read from their journals: once for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from ..core.model import Run
from ..files.run_files import RunFiles
from ..journal.attempts import last_frame, last_output
from ..journal.results import Result, result
from .supervisor import Supervisor

SHORT = 64 * 1024
"""Bytes of a journal that is read sooner than a thread could be asked to."""


class Journals:
    """Reads whole journals."""

    def __init__(self, files: RunFiles, supervisor: Supervisor) -> None:
        self._files, self._supervisor = files, supervisor
        self._reading: dict[Hashable, asyncio.Future[Any]] = {}

    async def result(self, run: Run) -> Result:
        """Return what a finished run answered."""
        format_name = (await self._supervisor.versions.of(run)).format
        if run.journal_end is not None and run.journal_end <= SHORT:
            return self._result(run.id, format_name)
        key = ("result", run.id, run.journal_end)
        found: Result = await self._shared(key, lambda: self._result(run.id, format_name))
        return found

    def _result(self, run_id: str, format_name: str) -> Result:
        return self._files.read(run_id, lambda reader: result(reader, format_name)) or Result(None)

    async def logs(self, run: Run, size: int) -> str:
        """Return the last `size` bytes of a finished run's output, with its attempts told apart."""
        key = ("logs", run.id, run.journal_end, size)
        read = self._files.read
        found: str | None = await self._shared(
            key, lambda: read(run.id, lambda reader: last_output(reader, size))
        )
        return found or ""

    async def last_frame(self, run_id: str) -> int | None:
        """Return the offset of the last frame of a run's journal, None while there is none."""
        live = self._supervisor.live.get(run_id)
        if live is None or live.progress is None:
            return await asyncio.to_thread(self._files.read, run_id, last_frame)
        await live.progress.look()
        return live.progress.last

    async def _shared(self, key: Hashable, read: Callable[[], Any]) -> Any:
        """Read a journal in a thread. All callers with the same key meanwhile share the answer."""
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(asyncio.to_thread(read))
            reading.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(reading)
