"""The server's end of one attempt: start it, or find it again, ask it to stop, learn how it ended.

The journal tells the truth; the lifeline only tells it sooner.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Protocol, TypeAlias

from ..core.model import Exit, Json, Phase
from ..files.run_files import RunFiles
from . import spawner, sweep

SLOW_LOOK = 0.25
"""Seconds between two looks at a lock, where nothing better tells of its release."""
_EXIT_FIELDS = frozenset(field.name for field in fields(Exit))


Started: TypeAlias = Callable[[int, Phase], None]
"""Told a pid, and whether it is the agent's (running) or its install command's (installing)."""


class NeverStarted(Exception):
    """The shim ended, or was never made, before the agent could run: safe to start again."""


class Attempt(Protocol):
    """A process that somebody else watches over."""

    def cancel(self) -> None:
        """Ask the shim to end the agent. Harmless after the end, and when repeated."""

    async def wait(self, started: Started) -> Exit:
        """Return how the attempt ended; `started` is told of its agent's process, and its install's before.

        Raises NeverStarted. A shim that was killed gives an Exit whose reason is `lost`,
        after everything that it left behind was killed.
        """


class Spawner:
    """The process that forks shims; made anew when it is gone, which harms no run."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def request(self, journal: int, lifeline: int) -> None:
        """Pass both descriptors to a shim. The caller closes its copies."""
        try:
            spawner.request(self._link, journal, lifeline)
        except OSError:
            self._link.close()
            self._link = spawner.start_exec()  # by exec: this process has threads by now
            spawner.request(self._link, journal, lifeline)

    def close(self) -> None:
        """Let the spawner go; runs go on."""
        self._link.close()


class Spawned:
    """An attempt that this server started: its lifeline tells everything at once."""

    def __init__(self, files: RunFiles, run_id: str, number: int, lifeline: socket.socket) -> None:
        self._files, self._run_id, self._number = files, run_id, number
        self._lifeline = lifeline
        self._given = False
        self._cancelled = False

    @classmethod
    def start(cls, files: RunFiles, run_id: str, number: int, journal: int, by: Spawner) -> Spawned:
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
        return cls(files, run_id, number, ours)

    async def give(self, spec: dict[str, Json]) -> None:
        """Tell the shim what to run. A shim that is gone shows in `wait`."""
        text = json.dumps(spec).encode()
        with suppress(OSError):
            message = len(text).to_bytes(4, "little") + text
            await asyncio.get_running_loop().sock_sendall(self._lifeline, message)
        self._given = True
        if self._cancelled:
            self.cancel()

    def close(self) -> None:
        """Let the shim go without a run."""
        self._lifeline.close()

    def cancel(self) -> None:
        """See Attempt."""
        self._cancelled = True
        if self._given:
            with suppress(OSError):
                self._lifeline.send(b"C")

    async def wait(self, started: Started) -> Exit:
        """See Attempt."""
        loop = asyncio.get_running_loop()
        buffer = b""
        ended: Exit | None = None
        with self._lifeline:
            while received := await _received(loop, self._lifeline):
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    said = json.loads(line)
                    if "started" in said and said["started"].get("pid"):
                        started(said["started"]["pid"], _phase(said["started"]))
                    elif "ended" in said:
                        ended = exit_of(said["ended"])
        return ended or await _after_the_end(self._files, self._run_id, self._number)


class Found:
    """An attempt of an earlier server, still running: its lock tells, or its shim's pidfd."""

    def __init__(self, files: RunFiles, run_id: str, number: int) -> None:
        self._files, self._run_id, self._number = files, run_id, number
        self._shim = 0
        self._pidfd = -1
        self._cancelled = False

    def cancel(self) -> None:
        """See Attempt."""
        self._cancelled = True
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        elif self._shim and self._files.held(self._run_id):
            with suppress(ProcessLookupError):
                os.kill(self._shim, signal.SIGTERM)

    async def wait(self, started: Started) -> Exit:
        """See Attempt."""
        try:
            await self._until_gone(started)
        finally:
            self._close_pidfd()
        return await _after_the_end(self._files, self._run_id, self._number)

    async def _until_gone(self, started: Started) -> None:
        told: Phase | None = None
        while self._files.held(self._run_id):
            tail = await asyncio.to_thread(self._files.tail, self._run_id)
            start = tail.started if tail.started and tail.started["attempt"] == self._number else None
            if start and not self._shim:
                self._shim = int(start["shim"])
                self._open_pidfd()
                if self._cancelled:
                    self.cancel()
            if start and start.get("pid") and told is not (phase := _phase(start)):
                told = phase
                started(int(start["pid"]), phase)
            await self._pause(until_the_end=told is Phase.RUNNING)

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

    async def _pause(self, *, until_the_end: bool) -> None:
        if self._pidfd < 0 or not until_the_end:
            await asyncio.sleep(SLOW_LOOK)
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._pidfd)


def _phase(start: dict[str, Json]) -> Phase:
    """Return what a started frame that has a pid says."""
    return Phase(start.get("phase", Phase.RUNNING))


def exit_of(payload: dict[str, Json]) -> Exit:
    """Return an ENDED frame's payload as a value; fields of a newer shim are passed over."""
    return Exit(**{key: value for key, value in payload.items() if key in _EXIT_FIELDS})


async def look(files: RunFiles, run_id: str, number: int) -> Exit | None:
    """Return how an attempt that holds no lock ended.

    None when its agent was started and its end is nowhere written: the shim was killed.
    Raises NeverStarted when its agent was not started.
    """
    tail = await asyncio.to_thread(files.tail, run_id)
    if not tail.readable:
        return await lose(run_id, number, "its journal is of another version of praisonrun")
    if tail.ended and tail.ended["attempt"] == number:
        return exit_of(tail.ended)
    if tail.started and tail.started["attempt"] == number:
        return None
    raise NeverStarted(run_id)


async def lose(run_id: str, number: int, why: str) -> Exit:
    """Kill what a killed shim left behind and say that the attempt is lost."""
    swept = await asyncio.to_thread(sweep.kill_marked, run_id)
    return Exit(number, "lost", error=f"lost: {why}", swept=swept)


async def _after_the_end(files: RunFiles, run_id: str, number: int) -> Exit:
    while files.held(run_id):  # noqa: ASYNC110 - a dying process lets go of its descriptors one by one
        await asyncio.sleep(0.01)
    ended = await look(files, run_id, number)
    return ended or await lose(run_id, number, "the process that watched over the agent was killed")


async def _received(loop: asyncio.AbstractEventLoop, lifeline: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(lifeline, 65536)
    except OSError:
        return b""
