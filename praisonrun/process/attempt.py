"""The server's end of one attempt: start it, ask it to stop, learn how it ended. `found` finds it again.

The journal tells the truth; the lifeline only tells it sooner.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from ..core.model import Exit, Json, Phase
from ..files.run_files import RunFiles
from . import sweep
from .ends import Mark, exit_of, look, lose, phase_of
from .spawning import Spawner

log = logging.getLogger("praisonrun")
Started: TypeAlias = Callable[[int, Phase], None]
"""Told a pid, and whether it is the agent's (running) or its install command's (installing)."""
SLACK = 3.0
"""Seconds that a shim has beyond the time by which it should have ended its agent."""
LOOK = 0.25
"""Seconds between two looks at whether a spawner answers that was handed a run."""


class Attempt:
    """One process of a run, which a shim watches over."""

    def __init__(self, files: RunFiles, mark: Mark) -> None:
        self._files, self._mark, self._run_id = files, mark, mark.run_id
        self._cancelled = self._woken = self._over = False
        self._shim = 0
        """The shim's pid, once that is known; meant only while it holds the lock."""
        self._look: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """Ask the shim to end the agent. Harmless after the end, and when repeated."""
        self._cancelled = True
        self._ask()
        self.end_within(0)

    def end_within(self, seconds: float) -> None:
        """Look after the shim from then on: an agent may stop it, and then nobody would end either."""
        loop = asyncio.get_running_loop()
        if not self._over and (self._look is None or self._look.when() > loop.time() + seconds):
            if self._look is not None:
                self._look.cancel()
            self._look = loop.call_later(seconds, self._look_after)

    def _let_go(self) -> None:
        self._over = True
        if self._look is not None:
            self._look.cancel()

    def _look_after(self) -> None:
        """Wake a shim that is stopped; kill one that was stopped again: then its run is lost, and swept."""
        with suppress(OSError):  # the next look may not fail
            if self._shim and sweep.stopped(self._shim) and self._files.held(self._run_id):
                told = "killed" if self._woken else "woken"
                log.warning("run %s: its shim is stopped and is %s", self._run_id, told)
                self._signal(signal.SIGKILL if self._woken else signal.SIGCONT)
                self._woken = True
        self._look = None
        self.end_within(SLACK)

    def _ask(self) -> None:
        """Have the shim hear of a cancel, if it can yet."""
        raise NotImplementedError

    def _signal(self, number: int) -> None:
        """Signal the shim, which is known."""
        raise NotImplementedError

    async def wait(self, started: Started) -> Exit:
        """Return how the attempt ended; `started` is told of its agent's process, and its install's before.

        Raises NeverStarted. An agent that was not started but may be later gives `not_started`. A shim that
        was killed gives `lost`, after everything that it left behind was killed.
        """
        try:
            ended = await self._until_gone(started)
        finally:
            self._let_go()
        if ended:
            return ended
        while self._files.held(self._run_id):  # noqa: ASYNC110 - a dying process lets go of its descriptors one by one
            await asyncio.sleep(0.01)
        ended = await look(self._files, self._mark)
        return ended or await lose(
            self._files, self._mark, "the process that watched over the agent was killed"
        )

    async def _until_gone(self, started: Started) -> Exit | None:
        """Wait until the shim has let go of the run; return what it said of the end."""
        raise NotImplementedError


class Spawned(Attempt):
    """An attempt that this server started: its lifeline tells everything at once."""

    def __init__(self, files: RunFiles, mark: Mark, lifeline: socket.socket, by: Spawner) -> None:
        super().__init__(files, mark)
        self._lifeline, self._by = lifeline, by
        self._given = False
        self._silent = asyncio.get_running_loop().call_later(LOOK, self._ask_spawner)

    @classmethod
    def start(cls, files: RunFiles, mark: Mark, journal: int, by: Spawner) -> Spawned:
        """Hand the journal (whose descriptor is closed here) and a lifeline to a shim."""
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    by.request(journal, theirs.fileno())
                except BaseException:
                    ours.close()
                    raise
        finally:
            os.close(journal)
        ours.setblocking(False)
        return cls(files, mark, ours, by)

    async def give(self, spec: dict[str, Json]) -> None:
        """Tell the shim what to run. A shim that is gone shows in `wait`."""
        text = json.dumps(spec).encode()
        with suppress(OSError):
            message = len(text).to_bytes(4, "little") + text
            await asyncio.get_running_loop().sock_sendall(self._lifeline, message)
        self._given = True
        if self._cancelled:
            self._ask()

    def close(self) -> None:
        """Let the shim go without a run."""
        self._let_go()
        self._silent.cancel()
        self._lifeline.close()

    def _ask(self) -> None:
        if self._given:
            with suppress(OSError):
                self._lifeline.send(b"C")

    def _ask_spawner(self) -> None:
        """See, while no shim says anything, that the spawner works: the run comes back if it is killed."""
        loop = asyncio.get_running_loop()
        self._by.check(self._cancelled)
        if self._shim:
            self.end_within(0)  # its agent may have stopped it before it could say anything
        else:
            loop.run_in_executor(None, self._find_shim)
        self._silent = loop.call_later(LOOK, self._ask_spawner)

    def _find_shim(self) -> None:
        with suppress(OSError):
            tail = self._files.tail(self._run_id)
            if tail.started and not tail.ended and tail.started["attempt"] == self._mark.number:
                self._shim = tail.started["shim"]

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._shim, number)

    async def _until_gone(self, started: Started) -> Exit | None:
        buffer = b""
        ended: Exit | None = None
        with self._lifeline:
            while received := await self._received():
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    said = json.loads(line)
                    if start := said.get("started"):
                        self._shim = start["shim"]
                        started(start["pid"], phase_of(start))
                    else:
                        ended = exit_of(said["ended"])
        return ended

    async def _received(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._lifeline, 65536)
        except OSError:
            return b""
        finally:
            self._silent.cancel()
