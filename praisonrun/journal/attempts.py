"""Which attempt wrote which frame of a journal, and the output of all attempts together."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from .backwards import windows_back
from .format import START, Frame, Kind, json_payload
from .reader import Reader

_PRINTED = (Kind.STDOUT, Kind.STDERR)
_CONTINUATION = bytes(range(0x80, 0xC0))
"""The bytes inside a UTF-8 character: a text must not begin with one."""


class AttemptIndex:
    """The offsets at which a journal's attempts begin. It reads every frame header at most once."""

    def __init__(self, *, many: bool) -> None:
        """Without `many` the journal has one attempt, and the index stops reading after its beginning."""
        self._many = many
        self._read = START
        self._starts: list[int] = []
        self._numbers: list[int] = []

    def read_to(self, reader: Reader, end: int, most: int | None = None) -> bool:
        """Index the frames before the offset `end`, `most` of them at once. Returns whether that is done."""
        if self._starts and not self._many:
            return True
        for hops, header in enumerate(reader.headers(self._read)):
            if header.offset >= end:
                return True
            if hops == most:
                return False
            self._read = header.end
            if header.kind is Kind.STARTED:
                started = json_payload(reader.payload(header))
                # An attempt begins at its first started frame with a pid: its agent's, or its install's.
                if "pid" in started and started["attempt"] not in self._numbers[-1:]:
                    self._starts.append(header.offset)
                    self._numbers.append(started["attempt"])
        return True

    def begins_at(self, offset: int) -> bool:
        """Say whether an attempt begins with the frame at `offset`."""
        return offset in self._starts

    def attempt_at(self, offset: int) -> int:
        """Return the number of the attempt that wrote the frame at `offset`, which must be indexed."""
        at = bisect_right(self._starts, offset)
        return self._numbers[at - 1] if at else 1


def last_output(reader: Reader, size: int, *, many: bool = True) -> str:
    """Return the last `size` bytes of all output, with a heading before each attempt after the first.

    Without `many` there is one attempt, and only the end is read.
    """
    attempts = AttemptIndex(many=many)
    if many:
        attempts.read_to(reader, reader.size())
    kept: deque[bytes] = deque()
    total = 0
    for frames in windows_back(reader):
        kept.appendleft(b"".join(_shown(frame, attempts) for frame in frames))
        total += len(kept[0])
        if total >= size:
            break
    text = b"".join(kept)
    if len(text) > size:
        text = text[-size:].lstrip(_CONTINUATION)
    return text.decode("utf-8", "replace")


def _shown(frame: Frame, attempts: AttemptIndex) -> bytes:
    if frame.kind in _PRINTED:
        return frame.data
    if attempts.begins_at(frame.offset) and (number := attempts.attempt_at(frame.offset)) > 1:
        return b"--- attempt %d ---\n" % number
    return b""
