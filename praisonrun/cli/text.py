"""Text of agents and servers, made safe and fit for a terminal or a file."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import TextIO

BETWEEN = " · "
"""Between commands, and other words of one kind, on a line."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_RETURN = re.compile(r"\r+\n|\r")


def plain(text: str) -> str:
    """Return text that cannot move the cursor: colours removed, other control characters escaped."""
    return _escaped(_RETURN.sub("\n", _COLOUR.sub("", text)))


def coloured(text: str) -> str:
    """Return text without line ends as `plain` does, but with its colours."""
    found, at = [], 0
    for colour in _COLOUR.finditer(text):
        found += [_escaped(text[at : colour.start()]), colour.group()]
        at = colour.end()
    return "".join(found) + _escaped(text[at:])


def last_state(line: str) -> str:
    """Return what is left of a line whose carriage returns have begun it anew: a progress bar's last."""
    return line.rstrip("\r").rpartition("\r")[2]


def takes_control(file: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a file is a terminal that can do more than print lines."""
    return file.isatty() and environ.get("TERM") != "dumb"


def paints(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a terminal gets colours: NO_COLOR and TERM=dumb hold."""
    return environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")


def one_line(text: str) -> str:
    """Return text as one line."""
    return " ".join(plain(text).split())


def folded(text: str, columns: int) -> str:
    """Return words between dots on as many lines as they need; all but the first are indented."""
    first, *parts = text.split(BETWEEN)
    lines = [first]
    for part in parts:
        if sum(map(_width, lines[-1] + BETWEEN + part)) <= columns:
            lines[-1] += BETWEEN + part
        else:
            lines.append(f"  {part}")
    return "\n".join(lines)


def cut(text: str, columns: int) -> str:
    """Return the start of a line that takes at most so many columns, with … where it is cut."""
    if sum(map(_width, text)) <= columns:
        return text
    left, end = columns - 1, 0
    while (left := left - _width(text[end])) >= 0:
        end += 1
    return text[:end] + "…"


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda char: ascii(char.group())[1:-1], text)
