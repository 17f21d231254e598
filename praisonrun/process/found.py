"""An attempt of an earlier server that still runs: its lock tells of its end, or its shim's pidfd."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from ..core.model import Exit, Json, Phase
from ..files.run_files import RunFiles
from .attempt import SLACK, Attempt, Started
from .ends import CUT, Mark, lose, phase_of

SLOW_LOOK = 0.25
"""Seconds between two looks at a lock, where nothing better tells of its release."""


class Found(Attempt):
    """An attempt without a lifeline: its shim hears only signals."""

    def __init__(self, files: RunFiles, mark: Mark) -> None:
        super().__init__(files, mark)
        self._pidfd = -1
        self._told: Phase | None = None

    def _ask(self) -> None:
        try:
            self._signal(signal.SIGTERM)
        except OSError:  # its lock cannot be looked at now: that costs nobody who cancels an error
            if not self._over:
                asyncio.get_running_loop().call_later(SLOW_LOOK, self._ask)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            elif self._shim and self._files.held(self._run_id):
                os.kill(self._shim, number)

    async def _until_gone(self, started: Started) -> Exit | None:
        try:
            while self._files.held(self._run_id):
                tail = await asyncio.to_thread(self._files.tail, self._run_id)
                if self._mark.claim and not tail.whole:
                    return await lose(self._files, self._mark, CUT)
                if tail.started and tail.started["attempt"] == self._mark.number:
                    self._take(tail.started, started)
                await self._pause()
        finally:
            self._close_pidfd()
        return None

    def _take(self, start: dict[str, Json], started: Started) -> None:
        if not self._shim:
            self._shim = int(start["shim"])
            self._open_pidfd()
            if not start.get("pid"):
                self.end_within(SLACK)  # its agent may have stopped it before it could say more
            if self._cancelled:
                self._ask()
        if start.get("pid") and self._told is not (phase := phase_of(start)):
            self._told = phase
            started(int(start["pid"]), phase)

    def _open_pidfd(self) -> None:
        if not hasattr(os, "pidfd_open"):
            return
        with suppress(OSError):
            self._pidfd = os.pidfd_open(self._shim)
            if self._files.held(self._run_id):
                return
        self._close_pidfd()  # the pid may be somebody else's by now

    def _close_pidfd(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    async def _pause(self) -> None:
        if self._pidfd < 0 or self._told is not Phase.RUNNING:
            await asyncio.sleep(SLOW_LOOK)
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._pidfd)
