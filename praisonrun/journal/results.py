"""The answer of a journal's latest attempt, and the last lines of its output."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Collection
from typing import NamedTuple

from ..core.model import Json
from .events import parse_json
from .format import START, Header, Kind
from .formats import FORMATS, Summary, frame_events
from .reader import Reader

RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output in a result. Of longer output it has the first and the last half of this."""
WORDS_SHOWN = 1000
"""Characters of output in an error."""


class Result(NamedTuple):
    """A run's answer."""

    value: Json
    complete: bool = True
    """False if the output was longer than RESULT_SHOWN."""


def result(reader: Reader, format_name: str) -> Result:
    """Return the answer of the latest attempt.

    The first of these that there is: the file at PRAISONRUN_RESULT_PATH, the format's result event, stdout.
    """
    start, file = _latest_attempt(reader)
    if file is not None:
        text = reader.payload(file).decode("utf-8", "replace")
        found, value = parse_json(text)
        return Result(value if found else text)
    if FORMATS[format_name].structured:
        return Result(_answer(reader, start, format_name))
    return _printed(reader, start)


def _latest_attempt(reader: Reader) -> tuple[int, Header | None]:
    """Return the offset of the latest attempt's last started frame, and its result file's frame, if any."""
    start, file = START, None
    for header in reader.headers():
        if header.kind is Kind.STARTED:
            start, file = header.offset, None
        elif header.kind is Kind.RESULT:
            file = header
    return start, file


def _answer(reader: Reader, start: int, format_name: str) -> Json:
    summary, may_answer = Summary(), FORMATS[format_name].may_answer
    for frames in reader.windows(start):
        for frame in frames:
            if frame.kind is Kind.STDOUT and may_answer(frame.data):
                for event in frame_events(format_name, frame):
                    summary.add(event)
    return summary.answer


def _printed(reader: Reader, start: int) -> Result:
    half = RESULT_SHOWN // 2
    total, first, last = 0, bytearray(), bytearray()
    for frames in reader.windows(start):
        printed = b"".join(frame.data for frame in frames if frame.kind is Kind.STDOUT)
        total += len(printed)
        first += printed[: RESULT_SHOWN - len(first)]
        last += printed
        del last[:-half]
    if total <= RESULT_SHOWN:
        return Result(first.decode("utf-8", "replace"))
    del first[half:]
    omitted = f"\n… {total - len(first) - len(last)} bytes omitted …\n"
    return Result(first.decode("utf-8", "ignore") + omitted + last.decode("utf-8", "ignore"), complete=False)


def last_words(reader: Reader, lines: int) -> str:
    """Return the last `lines` lines of the latest attempt's output, WORDS_SHOWN characters at most."""
    last = bytearray()
    for frames in reader.windows(_latest_attempt(reader)[0]):
        last += b"".join(frame.data for frame in frames if frame.kind in (Kind.STDOUT, Kind.STDERR))
        del last[: -4 * WORDS_SHOWN]
    return "\n".join(last.decode("utf-8", "replace").splitlines()[-lines:])[-WORDS_SHOWN:]


def last_lines(reader: Reader, kinds: Collection[Kind], count: int) -> tuple[bytes, int]:
    """Return the last `count` lines of some kinds of output, and the offset after the last frame."""
    parts: deque[bytes] = deque()
    lines, end = 0, START
    for frames in reader.windows():
        end = frames[-1].end
        parts.append(b"".join(frame.data for frame in frames if frame.kind in kinds))
        lines += parts[-1].count(b"\n")
        while (fewer := lines - parts[0].count(b"\n")) > count:
            lines = fewer
            parts.popleft()
    # Unlike splitlines, readlines does not split at a carriage return: progress bars are full of them.
    kept = io.BytesIO(b"".join(parts)).readlines()
    return b"".join(kept[max(len(kept) - count, 0) :]), end
