"""Standard error, which may take nothing: nobody who writes to it waits.

A pipe that nobody reads, a stopped terminal or a hung disk blocks write(2). So a thread writes, and what it
cannot keep up with is dropped and counted.
"""

from __future__ import annotations

import io
import os
import select
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue

from ..core.errors import counted

BACKLOG = 256 << 10
"""Bytes that wait at most, beside the line that made them too many."""
PATIENCE = 0.5
"""Seconds that an ending process waits for what it still has to say."""


class Stderr(io.TextIOBase):
    """A text stream whose lines a thread writes to a descriptor, as far as that takes them."""

    def __init__(self, fd: int = 2, form: Callable[[str], str] = str) -> None:
        """`form` is given the lines that anyone prints, and returns how they are written."""
        self._fd, self._form = fd, form
        self._lock = threading.RLock()  # a collection in the middle of a write may have a warning to write
        self._queue: SimpleQueue[tuple[bytes, int] | None] = SimpleQueue()
        self._begun, self._torn = "", False
        self._taken = self._done = self._dropped = 0
        self._thread = threading.Thread(target=self._serve, name="stderr", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def writable(self) -> bool:
        """Say that this takes text."""
        return True

    def write(self, text: str) -> int:
        """Take text; its whole lines go on."""
        with self._lock:
            lines, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                self._put(self._form(lines + newline))
        return len(text)

    def line(self, text: str) -> None:
        """Take a record in the form of this log."""
        with self._lock:
            self._put(text + "\n")

    def _put(self, text: str) -> None:
        """Queue lines, or count them as dropped; before them, say how many were."""
        lines = text.count("\n")
        if self._taken - self._done > BACKLOG:
            self._dropped += lines
            return
        if self._dropped:
            said = f"praisonrun: {counted(self._dropped, 'line')} of this log could not be written\n"
            text, lines, self._dropped = self._form(said) + text, lines + self._dropped, 0
        data = text.encode(errors="backslashreplace")
        self._taken += len(data)
        self._queue.put((data, lines))

    def _serve(self) -> None:
        """Write what is queued, until None is."""
        # The process's signals are for its other threads; and SIGTTOU would stop all of it (`stty tostop`).
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while (item := self._queue.get()) is not None:
            data, lines = item
            written = self._written(data)
            with self._lock:
                self._done += len(data)
                self._dropped += 0 if written else lines
                if written and self._dropped and self._queue.empty():
                    self._put("")

    def _written(self, data: bytes) -> bool:
        left = memoryview(b"\n" + data if self._torn else data)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
                self._torn = False
            except BlockingIOError:  # somebody made the descriptor non-blocking
                select.select([], [self._fd], [])
            except OSError:
                self._torn = self._torn or left.nbytes < len(data)
                return False
        return True

    def drain(self) -> None:
        """Write what is queued, if that takes no longer than a moment. Nothing is written after it."""
        self.write("\n" if self._begun else "")
        self._queue.put(None)
        self._thread.join(PATIENCE)
