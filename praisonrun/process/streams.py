"""The standard streams, whatever the starter made of them: closed, full, hung up, oddly encoded.

Standard library only: this runs before the spawner is forked.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_UNABLE = "cannot write to standard output"


class Output(io.FileIO):
    """Standard output or error. It waits where the descriptor does not block, and fails at most once.

    Standard output raises its first OSError, with what failed as its file's name; standard error none: it
    stops nobody. What comes after a fault is dropped, also at the interpreter's end, which would report it
    once more. A reader that left (EPIPE) has what it wanted.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data; return how many bytes."""
        try:
            while not self._lost:
                if (count := super().write(data)) is not None:
                    return count
                select.select([], [self], [])
        except OSError as error:
            self._lost = True
            if self.fileno() == 1 and error.errno != errno.EPIPE:
                raise OSError(error.errno, error.strerror, _UNABLE) from None
        return memoryview(data).nbytes


def take() -> None:
    """Open what is closed, and make writing to the streams safe. Raises OSError without /dev/null."""
    closed = [number for number in range(3) if _open_null(number)]
    if 0 in closed:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _text(1, sys.stdout)
    sys.stderr = _text(2, sys.stderr)


def _open_null(number: int) -> bool:
    """Open /dev/null for a closed descriptor: a database must not get its number."""
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        os.set_inheritable(number, True)
        return True
    return False


def _text(descriptor: int, before: TextIO | None) -> io.TextIOWrapper:
    """Return a text stream like the one before, which takes every text: it escapes what it cannot encode."""
    errors = getattr(before, "errors", None)
    with contextlib.suppress(OSError, ValueError):
        if before is not None:
            before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Output(descriptor)),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace" if errors in (None, "strict", "surrogateescape") else errors,
        line_buffering=descriptor == 2 or os.isatty(descriptor),
        write_through=bool(getattr(before, "write_through", False)),
    )
