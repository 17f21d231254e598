"""The server's end of one attempt: start it, ask it to stop, learn how it ended. `found` finds it again.

The journal tells the truth; the lifeline only tells it sooner.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import NamedTuple, TypeAlias

from ..core.model import Exit, Json, Phase
from ..files.run_files import RunFiles
from . import spawner, sweep

log = logging.getLogger("praisonrun")
_EXIT_FIELDS = frozenset(field.name for field in fields(Exit))
Started: TypeAlias = Callable[[int, Phase], None]
"""Told a pid, and whether it is the agent's (running) or its install command's (installing)."""


CUT = "its journal was removed or cut off"


class Mark(NamedTuple):
    """What the processes of one attempt are known by: no other attempt, of any store, has the same."""

    store: str
    run_id: str
    number: int
    claim: str | None
    """None for an attempt that was claimed before claims had numbers."""

    def __str__(self) -> str:
        return f"{self.store}/{self.run_id}/{self.number}/{self.claim}"


class NeverStarted(Exception):
    """The shim ended, or was never made, before the agent could run: safe to start again."""


class Attempt:
    """One process of a run, which a shim watches over."""

    def __init__(self, files: RunFiles, mark: Mark) -> None:
        self._files, self._mark, self._run_id = files, mark, mark.run_id
        self._cancelled = False

    def cancel(self) -> None:
        """Ask the shim to end the agent. Harmless after the end, and when repeated."""
        raise NotImplementedError

    async def wait(self, started: Started) -> Exit:
        """Return how the attempt ended; `started` is told of its agent's process, and its install's before.

        Raises NeverStarted. A shim that was killed gives an Exit whose reason is `lost`,
        after everything that it left behind was killed.
        """
        if ended := await self._until_gone(started):
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


class Spawned(Attempt):
    """An attempt that this server started: its lifeline tells everything at once."""

    def __init__(self, files: RunFiles, mark: Mark, lifeline: socket.socket) -> None:
        super().__init__(files, mark)
        self._lifeline = lifeline
        self._given = False

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
        return cls(files, mark, ours)

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
        self._cancelled = True
        if self._given:
            with suppress(OSError):
                self._lifeline.send(b"C")

    async def _until_gone(self, started: Started) -> Exit | None:
        buffer = b""
        ended: Exit | None = None
        with self._lifeline:
            while received := await self._received():
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    said = json.loads(line)
                    if start := said.get("started"):
                        started(start["pid"], phase_of(start))
                    else:
                        ended = exit_of(said["ended"])
        return ended

    async def _received(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._lifeline, 65536)
        except OSError:
            return b""


def phase_of(start: dict[str, Json]) -> Phase:
    """Return what a started frame that has a pid says."""
    return Phase(start.get("phase", Phase.RUNNING))


def exit_of(payload: dict[str, Json]) -> Exit:
    """Return an ENDED frame's payload as a value; fields of a newer shim are passed over."""
    return Exit(**{key: value for key, value in payload.items() if key in _EXIT_FIELDS})


async def look(files: RunFiles, mark: Mark) -> Exit | None:
    """Return how an attempt that holds no lock ended.

    None when its agent was started and its end is nowhere written: the shim was killed.
    Raises NeverStarted when its agent was not started: its journal, made before the claim, would say so.
    """
    tail = await asyncio.to_thread(files.tail, mark.run_id)
    if not tail.readable:
        return await lose(files, mark, "its journal is of another version of praisonrun")
    if tail.ended and tail.ended["attempt"] == mark.number:
        return exit_of(tail.ended)
    if tail.started and tail.started["attempt"] == mark.number:
        return None
    left = await asyncio.to_thread(sweep.marked, f"{sweep.MARK}={mark}")
    if mark.claim and (left or tail.torn or not tail.whole):
        return await lose(files, mark, CUT)
    raise NeverStarted(mark.run_id)


async def lose(files: RunFiles, mark: Mark, why: str) -> Exit:
    """Kill what a shim of this boot left behind when it was killed, and say that the attempt is lost."""
    swept = await asyncio.to_thread(_sweep, files, mark)
    return Exit(mark.number, "lost", error=f"lost: {why}", swept=swept)


def _sweep(files: RunFiles, mark: Mark) -> int:
    start = files.tail(mark.run_id).started or {}
    if start.get("attempt") != mark.number:
        start = {}
    if mark.claim is not None:
        known = (start["pid"], start["ticks"]) if start.get("ticks") else None
        return sweep.kill_marked(str(mark), known)
    swept, left = sweep.kill_unmarked(mark.run_id, str(files.root / "runs"), start.get("shim", -1))
    for pid in left:
        log.warning("run %s is lost; not provably a process of it and left running: pid %d", mark.run_id, pid)
    return swept
