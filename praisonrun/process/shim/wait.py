"""Watch one agent until it and its pipes are at their end, and stop it when it is time.

Stopping: SIGTERM to its group, a grace, SIGKILL, a second for pipes that somebody else holds, and
then the sweep of every descendant. It needs no server. Standard library only.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from praisonrun.process import sweep
from praisonrun.process.shim.stream import END, Pipe, Text

LEAVER = 1.0
"""Seconds that the pipes are read on after the agent ended, because a descendant holds them."""


class Wake:
    """SIGCHLD and SIGTERM as bytes of a pipe, so that poll sees them."""

    def __init__(self) -> None:
        self.fd, end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def cancelled(self) -> bool:
        """Forget the signals so far; return whether a SIGTERM was among them."""
        try:
            return signal.SIGTERM in os.read(self.fd, 4096)
        except BlockingIOError:
            return False


class Watch:
    """A running agent, why and how it ended, and what it used."""

    def __init__(
        self, pid: int, spec: dict[str, Any], pipes: list[Pipe], life: socket.socket, wake: Wake
    ) -> None:
        self.pid = pid
        self.reason = "exited"
        self.error: str | None = None
        self.status: int | None = None
        """Exit code, or minus the signal's number; None while the agent lives."""
        self.alone = False
        """Whether no child is left, dead or alive."""
        self.asked = False
        """Whether the agent was to be cancelled, even if it had ended by then."""
        self.cpu, self.rss, self.swept = 0.0, 0, 0
        self._pipes = {pipe.fd: pipe for pipe in pipes}
        self._texts = [pipe for pipe in pipes if isinstance(pipe, Text)]
        self._life, self._wake, self._grace = life, wake, spec["grace"]
        self._mark = spec["run_id"]
        self._limit, self._idle = spec["timeout"], spec["idle_timeout"]
        self._begun = self._now = self._heard = time.monotonic()
        self._gone = self._kill_at = math.inf

    @property
    def wall(self) -> float:
        """Seconds from the start to the agent's own end."""
        return min(self._gone, time.monotonic()) - self._begun

    def run(self, fifo: Pipe | None) -> bool:
        """See the agent to its end. Returns whether it left without help and nothing stayed behind."""
        doors: dict[int, Callable[[int], bool]] = {
            self._wake.fd: self._woken,
            self._life.fileno(): self._told,
        }
        doors |= {fd: self._heard_from(pipe) for fd, pipe in self._pipes.items()}
        if fifo:
            doors[fifo.fd] = self._heard_from(fifo)
        poller = select.poll()
        for fd in doors:
            poller.register(fd, select.POLLIN)
        while (self._pipes and self._now < self._gone + LEAVER) or self.status is None:
            for fd, events in poller.poll(self._pause()):
                self._now = time.monotonic()
                if not doors[fd](events):
                    poller.unregister(fd)
            self._now = time.monotonic()
            self._clock()
        left = bool(self._pipes)
        self.sweep()
        for pipe in (*self._pipes.values(), *((fifo,) if fifo else ())):
            pipe.drain(time.monotonic() + LEAVER)
            pipe.close()
        return self.reason == "exited" and not self.swept and not left

    def sweep(self) -> None:
        """Kill what descends from the agent, and the agent."""
        self.reap()
        if not sweep.LINUX:
            self._kill(signal.SIGKILL)
            self.swept = sweep.kill_marked(self._mark, self.reap)
        elif not self.alone:
            self.swept = sweep.kill_descendants(os.getpid(), self.reap)

    def reap(self) -> None:
        """Take note of every child that ended: the agent, and orphans that came to us."""
        try:
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                self._note(*ended)
        except ChildProcessError:
            self.alone = True

    def stop(self, reason: str, error: str | None = None) -> None:
        """Ask the agent to end, for a reason, unless it has ended or was asked before."""
        self.reap()
        self.asked |= reason == "cancelled"
        if self.status is not None or self.reason != "exited":
            return
        self.reason, self.error = reason, error
        self._kill_at = self._now + self._grace
        self._kill(signal.SIGTERM)
        self._kill(signal.SIGCONT)

    def _note(self, pid: int, status: int, usage: Any) -> None:
        self.cpu += usage.ru_utime + usage.ru_stime
        self.rss = max(self.rss, usage.ru_maxrss * (1024 if sweep.LINUX else 1))
        if pid == self.pid:
            self.status = os.waitstatus_to_exitcode(status)
            self._gone = time.monotonic()

    def _kill(self, number: int) -> None:
        """Signal the agent's group; and the agent itself, if it has left its group."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            if self.status is None:
                os.kill(self.pid, number)

    def _heard_from(self, pipe: Pipe) -> Callable[[int], bool]:
        def read(events: int) -> bool:
            if events & select.POLLIN:
                self._heard = self._now
                if pipe.read(self._now) != END:
                    return True
            pipe.close()
            del self._pipes[pipe.fd]
            return False

        return read

    def _woken(self, _: int) -> bool:
        if self._wake.cancelled():
            self.stop("cancelled")
        self.reap()
        return True

    def _told(self, _: int) -> bool:
        """A byte from the server is a cancel; an end of file is the server's own end."""
        try:
            said = self._life.recv(64)
        except OSError:
            said = b""
        if b"C" in said:
            self.stop("cancelled")
        return bool(said)

    def _pause(self) -> float | None:
        """Milliseconds until something is due."""
        due = [text.due for text in self._texts if text.due is not None]
        if self.status is not None:
            due.append(self._gone + LEAVER)
        elif self.reason != "exited":
            due.append(self._kill_at)
        else:
            due += self._deadlines()
        soonest = min(due, default=math.inf)
        return None if soonest == math.inf else max(0.0, math.ceil((soonest - self._now) * 1000))

    def _deadlines(self) -> list[float]:
        found = [] if self._limit is None else [self._begun + self._limit]
        return found if self._idle is None else [*found, self._heard + self._idle]

    def _clock(self) -> None:
        """Do what is due."""
        for text in self._texts:
            if text.due is not None and text.due <= self._now:
                text.flush_partial()
        if self.status is not None:
            return
        if self._now >= self._kill_at:
            self._kill_at = math.inf
            self._kill(signal.SIGKILL)
        elif self._limit is not None and self._now >= self._begun + self._limit:
            self.stop("timed_out", f"timed out after {self._limit:g} s")
        elif self._idle is not None and self._now >= self._heard + self._idle:
            self.stop("idle_timed_out", f"no output for {self._idle:g} s")
