"""The answer of an agent that prints plain text, and whether that is one."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..core.agent import Truth
from ..core.model import Verdict
from .format import START, Kind
from .last_words import output_end, plain_lines
from .reader import Reader

RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output in a result. Of longer output it has the first and the last half of this."""
LINE_SEARCHED = 1000
"""Characters of a line in which a pattern is looked for."""
_SEARCHED, _LINES = 64 * 1024, 40
"""Bytes and lines at the end of the output in which one that says failure is looked for."""


class Printed(NamedTuple):
    """What an agent printed."""

    text: str
    complete: bool = True
    """False if the output was longer than RESULT_SHOWN."""


def printed(reader: Reader, banner: str = "") -> Printed:
    """Return what the latest attempt printed, without the lines that have the pattern `banner`."""
    found = _printed(reader, _latest_start(reader))
    if not banner or not found.complete:
        return found
    lines = found.text.splitlines()
    return Printed("\n".join(line.rstrip() for line in lines if not _has(banner, line)).strip())


def verdict(reader: Reader, truth: Truth) -> Verdict:
    """Return what the plain output of the latest attempt says of its end."""
    error = failing_line(reader, truth.failure) if truth.failure else None
    answered = bool(printed(reader, truth.banner).text.strip())
    return Verdict(answered=answered, error=error)


def failing_line(reader: Reader, pattern: str, *, structured: bool = False) -> str | None:
    """Return the last line of the end of the output that has a pattern; no JSON of a `structured` agent."""
    lines = [line for line in plain_lines(output_end(reader, _SEARCHED)) if line]
    lines = [line for line in lines if not (structured and line.startswith("{"))]
    return next((line for line in reversed(lines[-_LINES:]) if _has(pattern, line)), None)


def _has(pattern: str, line: str) -> bool:
    return re.search(pattern, line[:LINE_SEARCHED]) is not None


def _latest_start(reader: Reader) -> int:
    """Return the offset of the latest attempt's last started frame."""
    return max((header.offset for header in reader.headers() if header.kind is Kind.STARTED), default=START)


def _printed(reader: Reader, start: int) -> Printed:
    half = RESULT_SHOWN // 2
    total, first, last = 0, bytearray(), bytearray()
    for frames in reader.windows(start):
        printed = b"".join(frame.data for frame in frames if frame.kind is Kind.STDOUT)
        total += len(printed)
        first += printed[: RESULT_SHOWN - len(first)]
        last += printed
        del last[:-half]
    if total <= RESULT_SHOWN:
        return Printed(first.decode("utf-8", "replace"))
    del first[half:]
    omitted = f"\n… {total - len(first) - len(last)} bytes omitted …\n"
    return Printed(first.decode("utf-8", "ignore") + omitted + last.decode("utf-8", "ignore"), complete=False)
