"""Which attempt wrote which frame of a journal, and the output of all attempts together."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

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

    def read_to(self, reader: Reader, end: int) -> None:
        """Index the frames before the offset `end`."""
        if self._starts and not self._many:
            return
        for header in reader.headers(self._read):
            if header.offset >= end:
                return
            self._read = header.end
            if header.kind is Kind.STARTED:
                started = json_payload(reader.payload(header))
                # An attempt begins at its first started frame with a pid: its agent's, or its install's.
                if "pid" in started and started["attempt"] not in self._numbers[-1:]:
                    self._starts.append(header.offset)
                    self._numbers.append(started["attempt"])

    def begins_at(self, offset: int) -> bool:
        """Say whether an attempt begins with the frame at `offset`."""
        return offset in self._starts

    def attempt_at(self, offset: int) -> int:
        """Return the number of the attempt that wrote the frame at `offset`, which must be indexed."""
        at = bisect_right(self._starts, offset)
        return self._numbers[at - 1] if at else 1


def last_output(reader: Reader, size: int) -> str:
    """Return the last `size` bytes of all output, with a heading before each attempt after the first."""
    kept: deque[bytes] = deque()
    total, attempts = 0, AttemptIndex(many=True)
    for frames in reader.windows():
        attempts.read_to(reader, frames[-1].end)
        kept.append(b"".join(_shown(frame, attempts) for frame in frames))
        total += len(kept[-1])
        while total - len(kept[0]) >= size:
            total -= len(kept.popleft())
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
