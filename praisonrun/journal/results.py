"""What a journal comes to: the answer and the last words of its latest attempt."""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

from ..core.model import Json
from .backwards import frames_back
from .events import parse_json
from .format import START, Frame, Kind
from .formats import FORMATS, Summary
from .reader import Reader

RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output in a result. Of longer output it has the first and the last half of this."""
WORDS_SHOWN = 1000
"""Characters of output in an error."""
_GLANCE = 16 * 1024
"""Bytes of one read of the end."""


class Result(NamedTuple):
    """A run's answer."""

    value: Json
    complete: bool = True
    """False if the output was longer than RESULT_SHOWN."""
    error: str | None = None
    """Why there is none."""


def result(reader: Reader, format_name: str) -> Result:
    """Return the latest attempt's answer: its result file, else the format's result event, else stdout."""
    if (file := result_file(reader)) is not None:
        return Result(_read_file(file.data))
    if FORMATS[format_name].structured:
        return Result(_answer(reader, format_name))
    return _printed(reader, _latest_start(reader))


def result_file(reader: Reader) -> Frame | None:
    """Return the frame of the latest attempt's result file. All that the agent printed is before it."""
    for frame in frames_back(reader, _GLANCE):
        if frame.kind is Kind.RESULT:
            return frame
        if frame.kind in (Kind.STARTED, Kind.STDOUT, Kind.DROPPED):
            break
    return None


def _latest_start(reader: Reader) -> int:
    """Return the offset of the latest attempt's last started frame."""
    return max((header.offset for header in reader.headers() if header.kind is Kind.STARTED), default=START)


def _answer(reader: Reader, format_name: str) -> Json:
    """Return what the last result event says, which is near the end."""
    may_answer = FORMATS[format_name].may_answer
    for frame in takewhile(lambda frame: frame.kind is not Kind.STARTED, frames_back(reader)):
        if frame.kind is Kind.STDOUT and may_answer(frame.data):
            summary = Summary()
            summary.add(format_name, frame)
            if summary.ended:
                return summary.answer
    return None


def _read_file(content: bytes) -> Json:
    text = content.decode("utf-8", "replace")
    found, value = parse_json(text)
    return value if found else text


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
    last = b""
    for frame in takewhile(lambda frame: frame.kind is not Kind.STARTED, frames_back(reader, _GLANCE)):
        if frame.kind in (Kind.STDOUT, Kind.STDERR):
            last = frame.data + last
        if len(last) >= 4 * WORDS_SHOWN:
            break
    words = last[-4 * WORDS_SHOWN :].decode("utf-8", "replace")
    return "\n".join(words.splitlines()[-lines:])[-WORDS_SHOWN:]
