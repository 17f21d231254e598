"""Read an agent's pipes, each into a buffer that is kept, and pass on whole lines.

Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time

from praisonrun.journal.format import Kind
from praisonrun.process.shim.output import Output, lines, whole

SIZE = 1 << 16
"""Bytes of one read, and so of a frame of many lines, at most."""
LINE = 1 << 20
"""Bytes up to which a line in a frame of its own is kept whole."""
PATIENCE = 0.05
"""Seconds that an incomplete line may wait."""
_TURN = 16
"""Full reads before other pipes, the clock and a cancel are looked at."""
END, DRY, MORE = range(3)
"""What follows a read: the end, nothing for now, or perhaps more."""
_FAT_PIPE = 1 << 20
_BATCH = 500


class Pipe:
    """One pipe of the agent. Its buffer begins with the line that has not ended yet."""

    def __init__(self, fd: int, kind: Kind, output: Output) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.output = output
        self.total = 0
        self.due = math.inf
        """When an incomplete line is passed on as it is."""
        self._kind = int(kind)
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._now = 0.0

    def read(self, now: float) -> int:
        """Read what is there now, within limits. Returns END, DRY or MORE."""
        self._now = now
        if not self._buffer:
            self._grow(SIZE)
        for _ in range(_TURN):
            space = len(self._buffer) - self._filled
            try:
                taken = os.readv(self.fd, [self._view[self._filled :]])
            except BlockingIOError:
                return DRY
            if not taken:
                return END
            self.total += taken
            self._take(self._filled + taken)
            if taken < space:
                return DRY
        self._widen()
        return MORE

    def drain(self, until: float) -> None:
        """Read until the pipe is empty, or until a time: another process may continue to write."""
        while self.read(until) == MORE and time.monotonic() < until:
            pass

    def flush(self) -> None:
        """Pass on what is left, as it is."""
        if self._filled:
            self._put(0, self._filled)
            self._filled = 0

    def close(self) -> None:
        self.flush()
        os.close(self.fd)

    def _take(self, end: int) -> None:
        """Pass on the whole lines of what was read, `end` bytes with what was left before."""
        cut = self._buffer.rfind(b"\n", self._filled, end) + 1
        if cut:
            self._put(0, cut)
        elif end == len(self._buffer):
            cut = self._overflow(end)
        self._keep(cut, end)

    def _overflow(self, end: int) -> int:
        """Do something about a line that fills the buffer; return how many bytes of it are done with."""
        cut = whole(self._buffer, end)
        self._put(0, cut)
        return cut

    def _put(self, start: int, end: int) -> None:
        raise NotImplementedError

    def _keep(self, start: int, end: int) -> None:
        """Move `start:end` to the front of the buffer."""
        if start and start < end:
            self._view[: end - start] = self._view[start:end]
        self._filled = end - start

    def _grow(self, size: int) -> None:
        bigger = bytearray(size)
        bigger[: self._filled] = self._view[: self._filled]
        self._buffer, self._view = bigger, memoryview(bigger)

    def _widen(self) -> None:
        """Make the pipe of a fast writer bigger: that takes fewer switches between two processes."""
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # the user has too many big pipes
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _FAT_PIPE)


class Text(Pipe):
    """Output for people: a frame holds the lines that came together, or a piece of a slow line."""

    def _take(self, end: int) -> None:
        super()._take(end)
        if self._filled < end:
            self.due = math.inf
        if self._filled and self.due == math.inf:
            self.due = self._now + PATIENCE

    def flush_partial(self) -> None:
        """Pass on an incomplete line, without an incomplete character."""
        self.due = math.inf
        cut = whole(self._buffer, self._filled)
        if cut:
            self._put(0, cut)
            self._keep(cut, self._filled)

    def _put(self, start: int, end: int) -> None:
        self.output.put(self._kind, [self._view[start:end]])


class Lines(Pipe):
    """Output for programs: a frame holds one line."""

    def _overflow(self, end: int) -> int:
        if end >= LINE:
            return super()._overflow(end)
        self._filled = end
        self._grow(2 * end)
        return 0

    def _put(self, start: int, end: int) -> None:
        if self.output.full:  # only the tail will be split into lines
            return self.output.put(self._kind, [self._view[start:end]])
        while start < end:
            batch = lines(self._view, self._buffer, start, end, _BATCH)
            self.output.put(self._kind, batch)
            start += sum(map(len, batch))
        return None


class Events(Pipe):
    """The FIFO: a line is an event, and a line longer than the buffer is dropped."""

    _skipping = False

    def _overflow(self, end: int) -> int:
        self.output.drop_event(end)
        self._skipping = True
        return end

    def _put(self, start: int, end: int) -> None:
        for line in lines(self._view, self._buffer, start, end):
            if self._skipping:
                self.output.drop_event(len(line))
            else:
                self.output.put_event(line)
            self._skipping = False
