"""What a person sees on stderr while a run is live. An agent's text is never sent to a terminal as it is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from typing import TextIO

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_RETURN = re.compile(r"\r+\n|\r")
_MARKS = {"stdout": "| ", "stderr": "! "}


def plain(text: str) -> str:
    """Return text that cannot move the cursor: colours removed, other control characters escaped."""
    text = _RETURN.sub("\n", _COLOUR.sub("", text))
    return _CONTROL.sub(lambda char: ascii(char.group())[1:-1], text)


class Screen:
    """Notes, log lines and progress of one run; a terminal has the progress in place, a file each change."""

    def __init__(self, out: TextIO, *, quiet: bool = False, environ: Mapping[str, str] = os.environ) -> None:
        self._out = out
        self._quiet = quiet
        self._live = out.isatty() and environ.get("TERM") != "dumb"
        self._dim = self._live and not environ.get("NO_COLOR")
        self._open: str | None = None
        """The mark of a line that has no newline yet."""
        self._progress = ""
        self._drawn = False

    def note(self, text: str, *, always: bool = False) -> None:
        """Show a line of praisonrun's own; with `always` also when quiet."""
        if always or not self._quiet:
            self._start(None)
            self._write(plain(text) + "\n")
            self._redraw()

    def log(self, stream: str, text: str) -> None:
        """Show an agent's output: whole lines, or a part of one."""
        if self._quiet or not text:
            return
        mark = _MARKS.get(stream, "* ")
        self._start(mark)
        shown = plain(text)
        ended = shown.endswith("\n")
        body = shown.removesuffix("\n").replace("\n", "\n" + mark)
        line = ("" if self._open else mark) + body
        self._write((f"\x1b[2m{line}\x1b[0m" if self._dim else line) + ("\n" if ended else ""))
        self._open = None if ended else mark
        self._redraw()

    def progress(self, percentage: float | None, step: str | None) -> None:
        """Show the progress of the run."""
        amount = "" if percentage is None else f"{percentage:3.0f}%"
        shown = " ".join(part for part in (amount, plain(step or "").replace("\n", " ")) if part)
        if self._quiet or not shown or shown == self._progress:
            return
        self._progress = shown
        if self._live:
            self._clear()
            self._redraw()
        else:
            self._start(None)
            self._write(shown.strip() + "\n")

    def close(self) -> None:
        """Leave the terminal at the start of a line, without the progress."""
        self._start(None)
        self._progress = ""

    def _start(self, mark: str | None) -> None:
        self._clear()
        if self._open and self._open != mark:
            self._write("\n")
            self._open = None

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def _redraw(self) -> None:
        if self._live and self._progress and not self._open:
            self._write(self._progress[: shutil.get_terminal_size().columns - 1])
            self._drawn = True

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
