"""Read an agent's pipes, each into a buffer that is kept, and pass on whole lines.

Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time

from praisonrun.journal.format import BATCH, Kind
from praisonrun.process.shim.output import Output, lines, whole

SIZE = 1 << 16
"""Bytes of one read, and so of a frame of text, at most."""
LINE = 8 << 20
"""Bytes up to which a line for programs is kept whole: as many as a result file may have."""
EVENT_LINE = 1 << 20
"""The same of a line of the FIFO."""
_PIECE = 1 << 20
"""Bytes of a piece of a longer line."""
_ENDS = 256
"""Bytes at both ends of such a line in which its type is looked for."""
PATIENCE = 0.05
"""Seconds that an incomplete line may wait."""
_TURN = 16
"""Full reads before other pipes, the clock and a cancel are looked at."""
END, DRY, MORE = range(3)
"""What follows a read: the end, nothing for now, or perhaps more."""
_FAT_PIPE = 1 << 20


class Pipe:
    """One pipe of the agent. Its buffer begins with the line that has not ended yet."""

    def __init__(self, fd: int, kind: Kind, output: Output, waiting: tuple[bytes, ...] = ()) -> None:
        """A line with one of the texts `waiting` says that the agent waits."""
        os.set_blocking(fd, False)
        self.fd = fd
        self.output = output
        self.total = 0
        self.heard = 0.0
        """When something came last that does not only say that the agent waits."""
        self.due = math.inf
        """When an incomplete line is passed on as it is, or what was not heard is told again."""
        self._kind, self._waiting = int(kind), waiting
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
            if not self._waiting or self._works(self._filled, self._filled + taken):
                self.heard = now
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

    def _works(self, start: int, end: int) -> bool:
        """Say whether some of what was read is about the agent's work."""
        fresh = bytes(self._view[start:end]).splitlines()
        return any(line.strip() and not any(text in line for text in self._waiting) for line in fresh)

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
        other = bytearray(size)
        other[: self._filled] = self._view[: self._filled]
        self._buffer, self._view = other, memoryview(other)

    def _grown(self, end: int, most: int) -> bool:
        """Make room for a longer line, one byte more than `most`. Returns False if it is too long."""
        if end > most:
            return False
        self._filled = end
        self._grow(min(2 * end, most + 1))
        return True

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
    """Output for programs: a frame holds whole lines, or a piece of one that is too long."""

    too_long = 0
    """Bytes of the last line that was too long and seemed to be a result."""
    _passed = 0
    """Bytes of the present line that were passed on in pieces."""
    _result = False

    def flush(self) -> None:
        super().flush()
        if self._passed:
            self._tell()

    def _take(self, end: int) -> None:
        super()._take(end)
        if self._filled < SIZE < _PIECE < len(self._buffer):
            self._grow(SIZE)

    def _overflow(self, end: int) -> int:
        if self._grown(end, LINE):
            return 0
        if not self._passed:
            self._result = b'"result"' in self._buffer[:_ENDS]
        start = 0
        while start < (cut := whole(self._buffer, min(start + _PIECE, end))):
            self._passed += cut - start
            self.output.put(self._kind, [self._view[start:cut]])
            start = cut
        return start

    def _put(self, start: int, end: int) -> None:
        if self._passed:
            stop = self._buffer.find(b"\n", start, end) + 1 or end
            self._passed += stop - start
            self._result |= b'"result"' in self._buffer[max(start, stop - _ENDS) : stop]
            self.output.put(self._kind, [self._view[start:stop]])
            if self._buffer[stop - 1] == ord("\n"):
                self._tell()
            start = stop
        if self.output.full:  # only the tail will be split into lines
            self.output.put(self._kind, [self._view[start:end]])
        elif start < end:
            self.output.put(self._kind, lines(self._view, self._buffer, start, end, BATCH))

    def _tell(self) -> None:
        """Say that a line was too long to be read as an event."""
        if self._result:
            self.too_long = self._passed
        self.output.say(f"a line of {self._passed} bytes is no event: at most {LINE}")
        self._passed, self._result = 0, False


class Events(Pipe):
    """The FIFO: a line is an event, and a line that is too long is dropped.

    The server hears of a question at once, whoever watches: a person is to answer it.
    """

    _skipped = 0
    """Bytes of the present line that were dropped."""

    def flush_partial(self) -> None:
        """Tell the server again of a question that it had no room to hear of."""
        heard = self.output.journal.ring_ask()
        self.due = math.inf if heard else time.monotonic() + PATIENCE

    def _overflow(self, end: int) -> int:
        if not self._skipped and self._grown(end, EVENT_LINE):
            return 0
        self.output.drop_event(end)
        self._skipped += end
        return end

    def _put(self, start: int, end: int) -> None:
        for line in lines(self._view, self._buffer, start, end):
            if self._skipped:
                self.output.drop_event(len(line))
                size, self._skipped = self._skipped + len(line), 0
                self.output.say(f"an event of {size} bytes was dropped: at most {EVENT_LINE}")
            elif self.output.put_event(line) and b'"ask"' in bytes(line):
                self.flush_partial()
