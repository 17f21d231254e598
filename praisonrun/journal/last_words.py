"""The last words of a failed attempt: the lines of its output that say most, plain and short."""

from __future__ import annotations

import re
from collections import deque

from .format import Header, Kind
from .reader import Reader

LINES, CHARACTERS = 5, 1000
"""What is kept of them at most."""
_READ = 16 * 1024
"""Bytes of output that are read for them."""
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\|$)|[ -/]*[0-~])")
"""What colours, titles and cursors of a terminal are made of."""


def error_tail(reader: Reader) -> str | None:
    """Return the last lines of the latest attempt's standard error, else of its output; None without any.

    Only the end of it is read. Control characters and empty lines are left out.
    """
    ends: dict[Kind, deque[Header]] = {Kind.STDERR: deque(), Kind.STDOUT: deque()}
    held = dict.fromkeys(ends, 0)
    for header in reader.headers():
        if header.kind is Kind.STARTED:
            ends, held = {kind: deque() for kind in ends}, dict.fromkeys(ends, 0)
        elif header.kind in ends:
            last = ends[header.kind]
            last.append(header)
            held[header.kind] += header.length
            while held[header.kind] - last[0].length >= _READ:
                held[header.kind] -= last.popleft().length
    texts = (plain(b"".join(map(reader.payload, last))[-_READ:]) for last in ends.values())
    return next(filter(None, texts), None)


def plain(output: bytes) -> str:
    """Return the last lines of some output as a person would have seen them, without control characters."""
    text = _ESCAPES.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n")
    # Of a line that was written over, a progress bar's, the last state counts.
    shown = (line.rstrip("\r").rpartition("\r")[2].replace("\t", " ") for line in text.split("\n"))
    lines = ("".join(filter(str.isprintable, line)).rstrip() for line in shown)
    return "\n".join([line for line in lines if line.strip()][-LINES:])[-CHARACTERS:]
