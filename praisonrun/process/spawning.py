"""The server's end of the spawner: ask it for shims, see that it answers, make it anew, reap it.

Nothing here waits for it: a spawner that hangs must not hold up the server. Its death harms no run: a shim
lives on without it, and what it had not handed on comes back, because its descriptors close.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress

from . import spawner

log = logging.getLogger("praisonrun")
ANSWER = 3.0
"""Seconds after which a spawner is replaced that owes an answer."""
HURRY = 0.7
"""The same where a run waits for it whose cancel was asked for."""
REAP = 0.05
"""Seconds between two looks at whether a killed one is gone."""


class Spawner:
    """The process that forks shims; made anew when it is gone or does not answer, which harms no run."""

    def __init__(self, control: spawner.Control) -> None:
        self._control: spawner.Control | None = None
        self._asked: float | None = None
        """Since when it owes an answer."""
        self._take(control)

    def _take(self, control: spawner.Control) -> spawner.Control:
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._hear)
        self._control, self._asked = control, None
        return control

    def request(self, journal: int, lifeline: int) -> None:
        """Pass both descriptors to a shim. The caller closes its copies. Raises OSError."""
        control = self._control or self._take(
            spawner.start_exec()
        )  # by exec: this process has threads by now
        try:
            spawner.request(control, journal, lifeline)
        except (BrokenPipeError, ConnectionResetError):
            self._bury()
            spawner.request(self._take(spawner.start_exec()), journal, lifeline)

    def check(self, hurry: bool) -> None:
        """Ask the spawner for an answer; kill one that owes it too long. The next request makes another."""
        now = asyncio.get_running_loop().time()
        if self._control is None:
            return
        if self._asked is None:
            self._asked = now
            with suppress(OSError):  # one that is full owes an answer, too
                self._control.send(spawner.PING)
        elif now - self._asked >= (HURRY if hurry else ANSWER):
            log.warning("the process that starts agents does not answer and is replaced")
            self._bury()

    def close(self) -> None:
        """Let the spawner go; runs go on."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None

    def _hear(self) -> None:
        """Take an answer, or the end."""
        assert self._control is not None
        try:
            said = self._control.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        self._asked = None
        if not said:
            self._bury()

    def _bury(self) -> None:
        assert self._control is not None
        pid = self._control.pid
        self.close()
        _end(pid)


def _end(pid: int) -> None:
    """Kill a child and reap it, without waiting for it."""
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            asyncio.get_running_loop().call_later(REAP, _end, pid)
