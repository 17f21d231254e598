"""A terminal of some size with a program in it: what a person would see on its screen."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

from .places import ROOT

SECONDS = 20


class Terminal:
    """A praisonrun command in a terminal. Everything that it writes is also drawn on `screen`."""

    def __init__(
        self,
        *words: str,
        cwd: Path,
        columns: int = 80,
        lines: int = 24,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._screen = pyte.HistoryScreen(columns, lines, history=5000)
        self._stream = pyte.ByteStream(self._screen)
        size = {"COLUMNS": str(columns), "LINES": str(lines)}
        here = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **size}
        self.raw = b""
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "praisonrun", *words],
            cwd=str(cwd),
            env={**here, **(environ or {}), **size},
            dimensions=(lines, columns),
            timeout=SECONDS,
        )
        self._child.logfile_read = self

    def write(self, data: bytes) -> None:
        """Draw what the program wrote."""
        self.raw += data
        self._stream.feed(data)

    def flush(self) -> None:
        """Nothing waits."""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.close(force=True)

    def until(self, text: str) -> str:
        """Wait until the program has written this; return the whole match of it as a pattern."""
        self._child.expect(text)
        return str(self._child.after.decode())  # type: ignore[union-attr]

    def press(self, key: str) -> None:
        """Press a key with Ctrl."""
        self._child.sendcontrol(key)

    def end(self) -> int:
        """Wait until the program has ended; return its exit code."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        status = self._child.exitstatus
        return -1 if status is None else int(status)

    def lines(self) -> list[str]:
        """Return what is on the screen, after what left it at the top, without empty lines at the end."""
        gone = [
            "".join(line[at].data for at in range(self._screen.columns)) for line in self._screen.history.top
        ]
        shown = [line.rstrip() for line in [*gone, *self._screen.display]]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def colours(self, line: int) -> set[str]:
        """Return the colours of a line of the screen, counted from its top."""
        row = self._screen.buffer[line]
        return {row[at].fg for at in range(self._screen.columns) if row[at].data.strip()}

    def moves(self) -> list[bytes]:
        """Return the control sequences that are no colours."""
        return [
            found for found in re.findall(rb"\x1b\[[0-9;?]*[A-Za-z]", self.raw) if not found.endswith(b"m")
        ]
