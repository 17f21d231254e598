"""Wait until an agent and its pipes have ended, and stop it when its time is over or the server asks.

A stop is SIGTERM to the agent's group, a grace, SIGKILL, a second for pipes that another process holds,
and then the sweep of every descendant. It needs no server. Standard library only.
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
from praisonrun.process.shim.stream import END, Events, Pipe, Text

LEAVER = 1.0
"""Seconds for which the pipes are read after the agent's end, because a descendant may hold them."""

LONGEST = 60_000
"""Milliseconds of one wait at most: poll takes no more than 24.8 days."""


class Wake:
    """SIGCHLD and SIGTERM as bytes in a pipe, so that poll sees them."""

    def __init__(self) -> None:
        self.fd, end = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def cancelled(self) -> bool:
        """Take the signals so far; return whether a SIGTERM was among them."""
        try:
            return signal.SIGTERM in os.read(self.fd, 4096)
        except BlockingIOError:
            return False


class RunningAgent:
    """An agent's process: why and how it ended, and what it used."""

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
        self.cancel_asked = False
        """Whether a cancel was asked for, even if the agent had ended by then."""
        self.cpu, self.rss, self.swept = 0.0, 0, 0
        self._pipes = {pipe.fd: pipe for pipe in pipes}
        self._timed: list[Text | Events] = [pipe for pipe in pipes if isinstance(pipe, Text)]
        self._life, self._wake, self._grace = life, wake, spec["grace"]
        self._mark = spec["mark"]
        self._limit, self._idle = (
            math.inf if spec[name] is None else spec[name] for name in ("timeout", "idle_timeout")
        )
        self._begun = self._now = self._heard = time.monotonic()
        self._gone = self._kill_at = math.inf

    @property
    def wall(self) -> float:
        """Seconds from the agent's start to its own end."""
        return min(self._gone, time.monotonic()) - self._begun

    def run(self, fifo: Events | None) -> bool:
        """Wait for the agent's end. Returns whether it ended by itself and left nothing behind."""
        handlers = {fd: self._on_output(pipe) for fd, pipe in self._pipes.items()}
        handlers |= {self._wake.fd: self._on_signal, self._life.fileno(): self._on_lifeline}
        if fifo:
            handlers[fifo.fd] = self._on_output(fifo)
            self._timed.append(fifo)
        poller = select.poll()
        for fd in handlers:
            poller.register(fd, select.POLLIN)
        while (self._pipes and self._now < self._gone + LEAVER) or self.status is None:
            for fd, events in poller.poll(self._pause()):
                self._now = time.monotonic()
                if not handlers[fd](events):
                    poller.unregister(fd)
            self._now = time.monotonic()
            self._do_what_is_due()
        left = bool(self._pipes)
        self.sweep()
        for pipe in (*self._pipes.values(), *((fifo,) if fifo else ())):
            pipe.drain(time.monotonic() + LEAVER)
            pipe.close()
        return self.reason == "exited" and not self.swept and not left

    def sweep(self) -> None:
        """Kill the agent and all its descendants."""
        self.reap()
        if not sweep.LINUX:
            self._kill(signal.SIGKILL)
            self.swept = sweep.kill_marked(self._mark, reap=self.reap)
        elif not self.alone:
            self.swept = sweep.kill_descendants(os.getpid(), self.reap)

    def reap(self) -> None:
        """Note every child that ended: the agent, and orphans that became our children."""
        try:
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = ended
                self.cpu += usage.ru_utime + usage.ru_stime
                self.rss = max(self.rss, usage.ru_maxrss * (1024 if sweep.LINUX else 1))
                if pid == self.pid:
                    self.status = os.waitstatus_to_exitcode(status)
                    self._gone = time.monotonic()
        except ChildProcessError:
            self.alone = True

    def stop(self, reason: str, error: str | None = None) -> None:
        """Ask the agent to end, unless it has ended or was asked before."""
        self.reap()
        self.cancel_asked |= reason == "cancelled"
        if self.status is not None or self.reason != "exited":
            return
        self.reason, self.error = reason, error
        self._kill_at = self._now + self._grace
        self._kill(signal.SIGTERM)
        self._kill(signal.SIGCONT)

    def _kill(self, number: int) -> None:
        """Signal the agent's group, or the agent itself if it left its group."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            if self.status is None:
                os.kill(self.pid, number)

    def _on_output(self, pipe: Pipe) -> Callable[[int], bool]:
        def read(events: int) -> bool:
            if events & select.POLLIN:
                state = pipe.read(self._now)
                self._heard = max(self._heard, pipe.heard)
                if state != END:
                    return True
            pipe.close()
            del self._pipes[pipe.fd]
            return False

        return read

    def _on_signal(self, _: int) -> bool:
        if self._wake.cancelled():
            self.stop("cancelled")
        self.reap()
        return True

    def _on_lifeline(self, _: int) -> bool:
        """Take a byte from the server, which is a cancel, or the end of file, which is the server's end."""
        try:
            received = self._life.recv(64)
        except OSError:
            received = b""
        if b"C" in received:
            self.stop("cancelled")
        return bool(received)

    def _pause(self) -> float | None:
        """Milliseconds until something is due."""
        if self.status is not None:
            due = self._gone + LEAVER
        elif self.reason != "exited":
            due = self._kill_at
        else:
            due = min(self._begun + self._limit, self._heard + self._idle)
        soonest = min([due, *[pipe.due for pipe in self._timed]])
        if soonest == math.inf:
            return None
        return min(max(0.0, math.ceil((soonest - self._now) * 1000)), LONGEST)

    def _do_what_is_due(self) -> None:
        """Flush partial lines, kill after the grace, and stop after a timeout."""
        for pipe in self._timed:
            if pipe.due <= self._now:
                pipe.flush_partial()
        if self.status is not None:
            return
        if self._now >= self._kill_at:
            self._kill_at = math.inf
            self._kill(signal.SIGKILL)
        elif self._now >= self._begun + self._limit:
            self.stop("timed_out", f"timed out after {self._limit:g} s")
        elif self._now >= self._heard + self._idle:
            self.stop("idle_timed_out", f"no output for {self._idle:g} s")
