"""A run's journal read back: the source of every stream, log, poll and result.

Reads are bounded and come from the page cache; nothing here writes.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from ..core.model import Json
from ..files.run_files import RunDir
from .format import HEAD_SIZE, START, CorruptJournal, Frame, Kind, decode, peek
from .formats import FORMATS, Summary, events
from .formats.events import parse_json

WINDOW = 256 * 1024
"""Bytes read at once; a frame that is longer is read whole."""
GLANCE = 16 * 1024
"""Bytes read at once by who soon gives way to others: no more than they will look at."""
HOPS = 512
"""Frames looked at in one go: a few milliseconds where each has to be read."""
RESULT_SHOWN = 1024 * 1024
"""Bytes of plain output that a result repeats; of longer output the first and last half of this."""
WORDS_SHOWN = 1000
"""Characters of a log that an error repeats."""


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

    def windows(self, offset: int, size: int = WINDOW) -> Iterator[list[Frame]]:
        """Yield the whole frames from `offset` on, as many at once as a read of about `size` bytes gives."""
        while frames := self.frames(offset, size):
            yield frames
            offset = frames[-1].end

    def headers(self, offset: int) -> Iterator[Header]:
        """Yield the headers of the whole frames from `offset` on, hopping over their payloads."""
        size = os.fstat(self._fd).st_size
        window, base = b"", offset
        while True:
            if not 0 <= offset - base <= len(window) - HEAD_SIZE:
                window, base = os.pread(self._fd, GLANCE, offset), offset
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
        self._structured = FORMATS[format_name].structured
        self._telling = {Kind.EVENT, Kind.STARTED} | ({Kind.STDOUT} if self._structured else set())
        self._offset = START
        self._summary = Summary()
        self.last: int | None = None
        """The offset of the last frame that was looked at."""

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
            hops = 0
            for some in self._new(reader):
                for found in some:
                    if found.kind in self._telling:
                        frame = found if isinstance(found, Frame) else reader.frame(found)
                        for event in events(self._format, frame):
                            self._summary.add(event)
                    self._offset, self.last = found.end, found.offset
                hops += len(some)
                if hops >= HOPS:
                    return False
        return True

    def _new(self, reader: Reader) -> Iterator[Sequence[Frame | Header]]:
        """Yield what was not looked at yet: whole where most of it tells, else hopping over what does not."""
        if self._structured:
            yield from reader.windows(self._offset, GLANCE)
        else:
            yield from ([header] for header in reader.headers(self._offset))


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


def last_words(rundir: RunDir, run_id: str, lines: int) -> str:
    """Return the last lines that the latest attempt printed, at most WORDS_SHOWN characters of them."""
    try:
        reader = Reader(rundir, run_id)
    except FileNotFoundError:
        return ""
    with reader:
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
