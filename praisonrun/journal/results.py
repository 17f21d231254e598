"""What a journal says in the end: the answer of its latest attempt, and the last lines that were printed."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from ..core.model import Json
from .format import START, Header, Kind
from .formats import FORMATS, Summary, events
from .formats.events import parse_json
from .reader import Reader

RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output that a result repeats. It repeats both ends of longer output, half of this each."""
WORDS_SHOWN = 1000
"""Characters of a log that an error repeats."""


class Result(NamedTuple):
    """What a run answered."""

    value: Json
    complete: bool = True
    """False when the output was longer than a result repeats."""


def result(reader: Reader, format_name: str) -> Result:
    """Return the answer of the latest attempt.

    In this order: the JSON left at PRAISONRUN_RESULT_PATH, the format's result event, stdout.
    """
    start, left = _latest_attempt(reader)
    if left is not None:
        text = reader.payload(left).decode("utf-8", "replace")
        found, value = parse_json(text)
        return Result(value if found else text)
    if FORMATS[format_name].structured:
        return Result(_answer(reader, start, format_name))
    return _printed(reader, start)


def _latest_attempt(reader: Reader) -> tuple[int, Header | None]:
    """Return where the latest attempt begins, and what it left as its result."""
    start, left = START, None
    for header in reader.headers(START):
        if header.kind is Kind.STARTED:
            start, left = header.offset, None
        elif header.kind is Kind.RESULT:
            left = header
    return start, left


def _answer(reader: Reader, start: int, format_name: str) -> Json:
    summary, may_answer = Summary(), FORMATS[format_name].may_answer
    for frames in reader.windows(start):
        for frame in frames:
            if frame.kind is Kind.STDOUT and may_answer(frame.data):
                for event in events(format_name, frame):
                    summary.add(event)
    return summary.answer


def _printed(reader: Reader, start: int) -> Result:
    half = RESULT_SHOWN // 2
    total, first, last = 0, bytearray(), bytearray()
    for frames in reader.windows(start):
        said = b"".join(frame.data for frame in frames if frame.kind is Kind.STDOUT)
        total += len(said)
        first += said[: RESULT_SHOWN - len(first)]
        last += said
        del last[:-half]
    if total <= RESULT_SHOWN:
        return Result(first.decode("utf-8", "replace"))
    del first[half:]
    omitted = f"\n… {total - len(first) - len(last)} bytes omitted …\n"
    return Result(first.decode("utf-8", "ignore") + omitted + last.decode("utf-8", "ignore"), complete=False)


def last_words(reader: Reader, lines: int) -> str:
    """Return the last lines that the latest attempt printed, at most WORDS_SHOWN characters of them."""
    last = bytearray()
    for frames in reader.windows(_latest_attempt(reader)[0]):
        last += b"".join(frame.data for frame in frames if frame.kind in (Kind.STDOUT, Kind.STDERR))
        del last[: -4 * WORDS_SHOWN]
    return "\n".join(last.decode("utf-8", "replace").splitlines()[-lines:])[-WORDS_SHOWN:]


def last_lines(reader: Reader, kinds: Collection[Kind], count: int) -> tuple[bytes, int]:
    """Return the last `count` lines of some kinds of output, and the offset after all that was read."""
    parts: deque[bytes] = deque()
    lines, end = 0, START
    for frames in reader.windows(START):
        end = frames[-1].end
        parts.append(b"".join(frame.data for frame in frames if frame.kind in kinds))
        lines += parts[-1].count(b"\n")
        while (fewer := lines - parts[0].count(b"\n")) > count:
            lines = fewer
            parts.popleft()
    # readlines, unlike splitlines, ends no line at a carriage return, which progress bars are full of.
    kept = io.BytesIO(b"".join(parts)).readlines()
    return b"".join(kept[max(len(kept) - count, 0) :]), end
