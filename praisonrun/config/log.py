"""The server's log, on standard error, which may take nothing: nobody who writes to it waits.

A pipe that nobody reads, a stopped terminal or a hung disk blocks write(2). So a thread writes, and what it
cannot keep up with is dropped and counted. All that this process says goes this way: records, warnings and
tracebacks of the interpreter, too.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import signal
import sys
import threading
from queue import SimpleQueue
from typing import Any

from ..core.errors import counted, escaped

BACKLOG = 256 << 10
"""Bytes that wait at most, beside the line that made them too many."""
REPEATED, REMEMBERED = 60.0, 1000
"""Seconds for which a line of the log is not said again, and how many lines are known for that."""
PATIENCE = 0.5
"""Seconds that an ending process waits for what it still has to say."""


class OneLine(logging.Formatter):
    """A record is one line, whatever text it contains; only a traceback of ours takes more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its last line may contain a stranger's text
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))


class Once(logging.Filter):
    """Passes a line once for as long as it is repeated: what fails is tried again each second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = record.getMessage(), record.created
        again = abs(now - self._said.pop(line, 0)) < REPEATED
        self._said[line] = now  # the youngest is the last
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return not again


def start() -> None:
    """Take standard error over, and log to it, until the process ends."""
    sys.stderr = Stderr()
    atexit.register(sys.stderr.drain)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Once())
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns about each client that left


class Stderr(io.TextIOBase):
    """A text stream whose lines a thread writes to a descriptor, as far as that takes them."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
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
                self._put(lines + newline)
        return len(text)

    def _put(self, text: str) -> None:
        """Queue lines, or count them as dropped; before them, say how many were."""
        lines = text.count("\n")
        if self._taken - self._done > BACKLOG:
            self._dropped += lines
            return
        if self._dropped:
            said = f"praisonrun: {counted(self._dropped, 'line')} of this log could not be written"
            text, lines, self._dropped = f"{said}\n{text}", lines + self._dropped, 0
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
