"""The last words of a failed attempt: the lines of its output that say most, plain and short."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from .backwards import latest_back
from .format import Header, Kind
from .reader import Reader

LINES, CHARACTERS = 5, 1000
"""What is kept of them at most."""
_READ = 16 * 1024
"""Bytes of output that are read for them."""
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\|$)|[ -/]*[0-~])")
"""What colours, titles and cursors of a terminal are made of."""
_WORD = re.compile(r"\w")
_FRAME = re.compile(r"\s+at (\S.*[:(]|<anonymous>)")
"""A line of a stack trace of JavaScript, which says less than the line before it."""


def error_tail(reader: Reader, *, structured: bool = False) -> str | None:
    """Return the last lines of the latest attempt's standard error, else of its output; None without any.

    Only the end of it is read. Control characters, lines without a word and stack frames are left out, and
    of a `structured` agent's output the JSON, too.
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
    for kind, last in ends.items():
        lines = plain_lines(b"".join(map(reader.payload, last))[-_READ:])
        if structured and kind is Kind.STDOUT:
            lines = [line for line in lines if not line.startswith("{")]
        if told := telling(lines):
            return told
    return None


def output_end(reader: Reader, size: int) -> bytes:
    """Return the last bytes, `size` at most, of the latest attempt's output, standard error among it."""
    last, held = deque[bytes](), 0
    for frame in latest_back(reader, max(size, _READ)):
        if frame.kind in (Kind.STDOUT, Kind.STDERR):
            last.appendleft(frame.data)
            held += len(frame.data)
        if held >= size:
            break
    return b"".join(last)[-size:]


def telling(lines: Iterable[str]) -> str:
    """Return the last lines that tell something."""
    found = [line for line in lines if _WORD.search(line) and not _FRAME.match(line)]
    return "\n".join(found[-LINES:])[-CHARACTERS:]


def plain_lines(output: bytes) -> list[str]:
    """Return the lines of some output as a person would have seen them, without control characters."""
    text = _ESCAPES.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n")
    # Of a line that was written over, a progress bar's, the last state counts.
    shown = (line.rstrip("\r").rpartition("\r")[2].replace("\t", " ") for line in text.split("\n"))
    return ["".join(filter(str.isprintable, line)).rstrip() for line in shown]
