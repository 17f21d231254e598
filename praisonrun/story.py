"""A run's journal read back: the source of every stream, log, poll and result.

Reads are bounded and come from the page cache; nothing here writes.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from .formats import FORMATS, Summary, events
from .formats.events import parse_json
from .journal import HEAD_SIZE, START, CorruptJournal, Frame, Kind, decode, peek
from .model import Json
from .rundir import RunDir

WINDOW = 256 * 1024
"""Bytes read at once; a frame that is longer is read whole."""
HOPS = 4096
"""Frames looked at in one go: a few milliseconds."""
RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output that a result repeats; of longer output the first and last half of this."""


class Header(NamedTuple):
    """A frame without its payload."""

    kind: Kind
    time: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """Offset of the byte after the frame."""
        return self.offset + HEAD_SIZE + self.length


class Reader:
    """Reads one journal. Close it, or use it in a `with` block."""

    def __init__(self, rundir: RunDir, run_id: str) -> None:
        """Raises FileNotFoundError when the run has no journal (yet)."""
        self._fd = rundir.open_read(run_id)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Harmless when done twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def frames(self, offset: int, size: int = WINDOW) -> list[Frame]:
        """Return the whole frames from `offset` on: about `size` bytes, or one that is longer.

        Bytes that are no frame, which a power cut may leave, end a journal as its last byte does.
        """
        found = _whole(os.pread(self._fd, size, offset), offset)
        if not found and (longer := self._header(offset)) is not None and longer.end - offset > size:
            found = _whole(os.pread(self._fd, longer.end - offset, offset), offset)
        return found

    def headers(self, offset: int) -> Iterator[Header]:
        """Yield the headers of the whole frames from `offset` on, hopping over their payloads."""
        size = os.fstat(self._fd).st_size
        window, base = b"", offset
        while True:
            if not 0 <= offset - base <= len(window) - HEAD_SIZE:
                window, base = os.pread(self._fd, 16 * 1024, offset), offset
            found = _peek(window, offset - base, offset)
            if found is None or (header := Header(found[0], found[2], offset, found[1])).end > size:
                return
            yield header
            offset = header.end

    def payload(self, header: Header) -> bytes:
        """Return what a frame holds."""
        return os.pread(self._fd, header.length, header.offset + HEAD_SIZE)

    def frame(self, header: Header) -> Frame:
        """Return a frame whole."""
        return Frame(header.kind, header.time, header.offset, self.payload(header))

    def is_place(self, offset: int) -> bool:
        """Say whether a frame stands at `offset`."""
        return offset >= START and self._header(offset) is not None

    def _header(self, offset: int) -> Header | None:
        found = _peek(os.pread(self._fd, HEAD_SIZE, offset), 0, offset)
        return found and Header(found[0], found[2], offset, found[1])


def _whole(buffer: bytes, offset: int) -> list[Frame]:
    found: list[Frame] = []
    with suppress(CorruptJournal):
        found.extend(decode(buffer, offset))
    return found


def _peek(buffer: bytes, at: int, offset: int) -> tuple[Kind, int, int] | None:
    try:
        return peek(buffer, at, offset)
    except CorruptJournal:
        return None


class Progress:
    """The summary of a growing journal; each look reads only what is new."""

    def __init__(self, rundir: RunDir, run_id: str, format_name: str) -> None:
        self._rundir, self._run_id, self._format = rundir, run_id, format_name
        self._telling = {Kind.EVENT, Kind.STARTED}
        if FORMATS[format_name].structured:
            self._telling.add(Kind.STDOUT)
        self._offset = START
        self._summary = Summary()

    async def look(self) -> Summary:
        """Return the summary as of now. Other tasks get their turn during a long journal."""
        while not self._look():  # noqa: ASYNC110 - nothing to wait for: the work itself goes on
            await asyncio.sleep(0)
        return self._summary

    def _look(self) -> bool:
        try:
            reader = Reader(self._rundir, self._run_id)
        except FileNotFoundError:
            return True
        with reader:
            for hops, header in enumerate(reader.headers(self._offset), 1):
                if header.kind in self._telling:
                    for event in events(self._format, reader.frame(header)):
                        self._summary.add(event)
                self._offset = header.end
                if hops == HOPS:
                    return False
        return True


class Result(NamedTuple):
    """What a run answered."""

    value: Json
    complete: bool = True
    """False when the output was longer than a result repeats."""


def result(rundir: RunDir, run_id: str, format_name: str) -> Result:
    """Return the answer of the latest attempt.

    In this order: the JSON left at PRAISONRUN_RESULT_PATH, the format's result event, stdout.
    """
    try:
        reader = Reader(rundir, run_id)
    except FileNotFoundError:
        return Result(None)
    with reader:
        attempt = _latest_attempt(reader)
        left = [header for header in attempt if header.kind is Kind.RESULT]
        if left:
            text = reader.payload(left[-1]).decode("utf-8", "replace")
            found, value = parse_json(text)
            return Result(value if found else text)
        if FORMATS[format_name].structured:
            return Result(_answer(reader, attempt, format_name))
        return _printed(reader, [header for header in attempt if header.kind is Kind.STDOUT])


def _latest_attempt(reader: Reader) -> list[Header]:
    attempt: list[Header] = []
    for header in reader.headers(START):
        if header.kind is Kind.STARTED:
            attempt.clear()
        attempt.append(header)
    return attempt


def _answer(reader: Reader, attempt: list[Header], format_name: str) -> Json:
    summary = Summary()
    for header in attempt:
        if header.kind is Kind.STDOUT:
            for event in events(format_name, reader.frame(header)):
                summary.add(event)
    return summary.answer


def _printed(reader: Reader, printed: list[Header]) -> Result:
    total = sum(header.length for header in printed)
    if total <= RESULT_SHOWN:
        return Result(b"".join(map(reader.payload, printed)).decode("utf-8", "replace"))
    first = _gather(reader, iter(printed), RESULT_SHOWN // 2)[: RESULT_SHOWN // 2]
    last = _gather(reader, reversed(printed), RESULT_SHOWN // 2)[-RESULT_SHOWN // 2 :]
    omitted = f"\n… {total - len(first) - len(last)} bytes omitted …\n"
    return Result(first.decode("utf-8", "ignore") + omitted + last.decode("utf-8", "ignore"), complete=False)


def _gather(reader: Reader, printed: Iterator[Header], enough: int) -> bytes:
    parts: list[tuple[int, bytes]] = []
    size = 0
    for header in printed:
        parts.append((header.offset, reader.payload(header)))
        size += header.length
        if size >= enough:
            break
    return b"".join(part for _, part in sorted(parts))


def last_lines(reader: Reader, kinds: Collection[Kind], count: int) -> tuple[bytes, int]:
    """Return the last `count` lines of some kinds of output, and the offset after all that was read."""
    headers = list(reader.headers(START))
    parts: list[bytes] = []
    lines = 0
    for header in reversed(headers):
        if lines > count:
            break
        if header.kind in kinds:
            parts.append(reader.payload(header))
            lines += parts[-1].count(b"\n")
    # readlines, unlike splitlines, ends no line at a carriage return, which progress bars are full of.
    kept = io.BytesIO(b"".join(reversed(parts))).readlines()
    return b"".join(kept[max(len(kept) - count, 0) :]), headers[-1].end if headers else START
