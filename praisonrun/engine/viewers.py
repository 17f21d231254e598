"""Who watches which run, and how they hear that its journal grew, or that it ended, without another read.

A shim rings only while the journal's watch byte is set, so unwatched output costs the server nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..core.model import Run
from ..core.notifier import ASKS, Notifier, run_topic
from ..files.run_files import RunFiles
from ..journal.format import ASKING

BURST = 256
"""Rings taken in one go."""
CROWDED = 8
"""Rings in one go after which some may have been lost: Linux queues 10 datagrams and refuses the rest."""


class Viewers:
    """Counts the watchers of each run and passes the shims' rings on to the bells."""

    def __init__(self, files: RunFiles, notifier: Notifier) -> None:
        self._files, self._notifier = files, notifier
        self._watchers: Counter[str] = Counter()
        self.ends: dict[str, Run] = {}
        """Runs as they became final while they were watched, which they are still."""
        self.asking: set[str] = set()
        """Runs whose agents asked something that was not read yet. The topic ASKS rings for them."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the shims' rings inside this block."""
        with self._files.bell.bound() as bell:
            bell.setblocking(False)
            loop = asyncio.get_running_loop()
            loop.add_reader(bell, self._heard, bell)
            try:
                yield
            finally:
                loop.remove_reader(bell)

    def _heard(self, bell: socket.socket) -> None:
        rung = 0
        with suppress(BlockingIOError):
            while rung < BURST:
                self._rung(bell.recv(256))
                rung += 1
        if rung >= CROWDED:
            self._notifier.ring(*map(run_topic, self._watchers))

    def _rung(self, said: bytes) -> None:
        run_id = said.removeprefix(ASKING).decode("ascii", "replace")
        if said.startswith(ASKING):
            self.asked(run_id)
        else:
            self._notifier.ring(run_topic(run_id))

    def asked(self, run_id: str) -> None:
        """Have it read what a run's agent asks."""
        self.asking.add(run_id)
        self._notifier.ring(ASKS)

    @contextmanager
    def watching(self, run_id: str) -> Iterator[None]:
        """Have the run's shim ring while somebody is inside this block. Read only after entering it."""
        self._watchers[run_id] += 1
        if self._watchers[run_id] == 1:
            self._flag(run_id, on=True)
        try:
            yield
        finally:
            self._watchers[run_id] -= 1
            if not self._watchers[run_id]:
                del self._watchers[run_id]
                if self.ends.pop(run_id, None) is None:  # nobody rings for a run that is over
                    self._flag(run_id, on=False)

    def refresh(self, run_id: str, *, new: bool = False) -> None:
        """Set the flag of a journal that was found again, or is `new`: then it is off already."""
        if run_id in self._watchers or not new:
            self._flag(run_id, on=run_id in self._watchers)

    def ended(self, run: Run) -> None:
        """Keep a run that became final for those who watch it."""
        if run.id in self._watchers:
            self.ends[run.id] = run

    def _flag(self, run_id: str, *, on: bool) -> None:
        with suppress(OSError):
            self._files.watch(run_id, on)
