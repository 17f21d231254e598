"""What a person sees while a run is live. An agent's text is never sent to a terminal as it is.

Where stdout is a terminal, the agent's own words are shown there as they come; all else goes to stderr.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import TextIO

from .text import coloured, cut, folded, one_line, paints, plain, takes_control

_MARKS = {"stdout": "| ", "stderr": "! "}
_OF_THE_ANSWER = ("stdout", "message")
_LINE_ENDS = re.compile(r"(\r*\n|\r)")
_REMEMBERED = 1024 * 1024
"""Characters of a message that are compared with the result."""


class Screen:
    """Notes, output and progress of one run; a terminal has the progress in place, a file each change."""

    def __init__(
        self,
        err: TextIO | None = None,
        out: TextIO | None = None,
        *,
        quiet: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._err, self._out = err or sys.stderr, out or sys.stdout
        self._quiet = quiet
        self._live = takes_control(self._err, environ)
        self._colours = paints(environ)
        self.answers = self._out.isatty() and not quiet
        """Whether the agent's words are shown on stdout as they come."""
        self._open: str | None = None
        """The stream whose last line has no end yet."""
        self._returned = False
        """Whether the cursor is to go back to the start of that line: what comes next replaces it."""
        self._painted = False
        self._words = ""
        self._progress = ""
        self._drawn = False

    def note(self, text: str, *, always: bool = False) -> None:
        """Show a line of praisonrun's own; with `always` also when quiet."""
        if always or not self._quiet:
            self._start(None)
            self._write(self._err, plain(text) + "\n")
            self._redraw()

    def hint(self, text: str) -> None:
        """Show a person what can be done next; a file gets nothing."""
        if self._err.isatty():
            self.note(folded(text, shutil.get_terminal_size().columns))

    def log(self, stream: str, text: str) -> None:
        """Show an agent's output: whole lines, or a part of one."""
        if self._quiet or not text:
            return
        self._start(stream)
        file = self._file(stream)
        mark = "" if file is self._out else _MARKS.get(stream, "* ")
        self._write(file, "".join(self._lines(stream, mark, text, terminal=file.isatty())))
        self._redraw()

    def message(self, text: str, *, delta: bool) -> None:
        """Show what an agent says: a piece of a message, or a whole one, which may have come in pieces."""
        if delta:
            self._words = (self._words + text)[-_REMEMBERED:]
            self.log("message", text)
        else:
            again = self.said(text) and self._open == "message"
            self.log("message", "\n" if again else text + "\n")
            self._words = text

    def said(self, text: str) -> bool:
        """Say whether the last message was this text."""
        return text.strip() == self._words.strip()

    def progress(self, percentage: float | None, step: str | None) -> None:
        """Show the progress of the run."""
        amount = "" if percentage is None else f"{percentage:3.0f}%"
        shown = " ".join(part for part in (amount, one_line(step or "")) if part)
        if self._quiet or not shown or shown == self._progress:
            return
        self._progress = shown
        if self._live:
            self._clear()
            self._redraw()
        else:
            self._start(None)
            self._write(self._err, shown.strip() + "\n")

    def close(self) -> None:
        """Leave the terminal at the start of a line, without the progress."""
        self._start(None)
        self._progress = ""

    def _lines(self, stream: str, mark: str, text: str, *, terminal: bool) -> list[str]:
        """Return what to write for some output: marks before lines, and a line that is begun anew."""
        dim = terminal and self._colours and mark
        shown: list[str] = []
        for index, part in enumerate(_LINE_ENDS.split(text)):
            if index % 2:
                if part == "\r":
                    self._returned = self._open is not None
                else:
                    shown.append(mark.rstrip() + "\n" if self._open is None and mark else "\n")
                    self._open, self._returned = None, False
                continue
            if not part:
                continue
            if self._returned:
                shown.append("\r\x1b[K" if terminal and self._live else "\n")
            begins = self._open is None or self._returned
            body = coloured(part) if terminal and self._colours else plain(part)
            self._painted |= terminal and "\x1b[" in body
            line = (mark if begins else "") + body
            shown.append(f"\x1b[2m{line}\x1b[0m" if dim else line)
            self._open, self._returned = stream, False
        return shown

    def _start(self, stream: str | None) -> None:
        """Begin to write what belongs to a stream, or to none: another's open line ends."""
        self._clear()
        if self._open == stream:
            return
        file = self._file(self._open)
        if self._painted:
            self._write(file, "\x1b[0m")
        if self._open:
            self._write(file, "\n")
        self._open, self._returned, self._painted = None, False, False

    def _file(self, stream: str | None) -> TextIO:
        return self._out if self.answers and stream in _OF_THE_ANSWER else self._err

    def _clear(self) -> None:
        if self._drawn:
            self._write(self._err, "\r\x1b[K")
            self._drawn = False

    def _redraw(self) -> None:
        if self._live and self._progress and not self._open:
            self._write(self._err, cut(self._progress, shutil.get_terminal_size().columns - 1))
            self._drawn = True

    def _write(self, file: TextIO, text: str) -> None:
        if text:
            file.write(text)
            file.flush()
