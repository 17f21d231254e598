"""What a journal comes to: its summary while it grows, the answer and last words of its latest attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from ..core.model import Json
from .events import parse_json
from .format import START, Frame, Header, Kind
from .formats import FORMATS, Summary
from .reader import Reader

RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output in a result. Of longer output it has the first and the last half of this."""
WORDS_SHOWN = 1000
"""Characters of output in an error."""


GLANCE = 16 * 1024
"""Bytes of one read of a growing journal: no more than is parsed before other tasks run."""
HOPS = 512
"""Frames parsed before other tasks run: a few milliseconds' work."""


class Progress:
    """The summary of one journal. Each look reads only what is new."""

    def __init__(self, opened: Callable[[], Reader | None], format_name: str) -> None:
        """`opened` opens the journal, or returns None while there is none."""
        self._opened, self._format = opened, format_name
        self._structured = FORMATS[format_name].structured
        self._kinds = {Kind.EVENT, Kind.STARTED} | ({Kind.STDOUT} if self._structured else set())
        """The kinds of frames that have something for a summary."""
        self._offset = START
        self._summary = Summary()
        self.last: int | None = None
        """The offset of the last frame that was read."""

    async def look(self) -> Summary:
        """Return the summary as of now. Other tasks run in between while the journal is long."""
        while not self._look():  # noqa: ASYNC110 - there is no event to wait for: the work itself goes on
            await asyncio.sleep(0)
        return self._summary

    def _look(self) -> bool:
        """Read some new frames. Returns whether those were all."""
        reader = self._opened()
        if reader is None:
            return True
        with reader:
            for hops, found in enumerate(self._new(reader), start=1):
                if found.kind in self._kinds:
                    frame = found if isinstance(found, Frame) else reader.frame(found)
                    self._summary.add(self._format, frame)
                self._offset, self.last = found.end, found.offset
                if hops == HOPS:
                    return False
        return True

    def _new(self, reader: Reader) -> Iterator[Frame | Header]:
        """Return what is new: whole frames if the format needs most of them, else headers only."""
        if self._structured:
            return chain.from_iterable(reader.windows(self._offset, GLANCE))
        return reader.headers(self._offset)


class Result(NamedTuple):
    """A run's answer."""

    value: Json
    complete: bool = True
    """False if the output was longer than RESULT_SHOWN."""


def result(reader: Reader, format_name: str) -> Result:
    """Return the latest attempt's answer: its result file, else the format's result event, else stdout."""
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
                summary.add(format_name, frame)
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
