"""The journal's frame format: encode, decode, event ids. Pure: no files, no clock.

A journal is a 64-byte file header and then frames, appended by the run's shim alone:

    word   u32   kind in the top 8 bits, payload length in the lower 24
    check  u32   crc32 of word, time and the frame's own offset
    time   u64   microseconds since the epoch
    payload

The check binds a header to its place, so a cursor into the middle of a frame, or a torn tail, is
recognised and never read as data. Shim and spawner import this module: standard library only.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

MAGIC = b"praisonrun journal 1\n"
START = 64
"""Offset of the first frame."""
WATCH_AT = 32
"""Offset of the byte that is `1` while somebody watches: only then does the shim ring the bell."""
FILE_HEADER = MAGIC.ljust(START, b"\0")
MAX_PAYLOAD = (1 << 24) - 1
SLOTS = 16
"""Ids for each byte of the file, so one frame may give up to 16 events."""

_HEAD = struct.Struct("<IIQ")
_CHECKED = struct.Struct("<IQQ")
HEAD_SIZE = _HEAD.size


class Kind(IntEnum):
    """What a frame holds."""

    STDOUT = 1
    STDERR = 2
    EVENT = 3
    """One line that the agent wrote to the FIFO at PRAISONRUN_EVENTS."""
    STARTED = 4
    """JSON: an attempt's process exists, or is about to."""
    ENDED = 5
    """JSON: how the attempt's process ended and what it used. Nothing of that attempt follows."""
    RESULT = 6
    """What the agent left at PRAISONRUN_RESULT_PATH."""
    DROPPED = 7
    """JSON: how many bytes the output cap kept out of the journal at this place."""


_KINDS = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One frame and its place."""

    kind: Kind
    time: int
    """Microseconds since the epoch."""
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset of the byte after this frame."""
        return self.offset + HEAD_SIZE + len(self.data)


class Header(NamedTuple):
    """A frame without its payload."""

    kind: Kind
    time: int
    """Microseconds since the epoch."""
    offset: int
    length: int
    """Bytes of the payload."""

    @property
    def end(self) -> int:
        """Offset of the byte after the frame."""
        return self.offset + HEAD_SIZE + self.length


def head(kind: int, length: int, time: int, offset: int) -> bytes:
    """Return the header of a frame that will stand at `offset`."""
    word = kind << 24 | length
    return _HEAD.pack(word, zlib.crc32(_CHECKED.pack(word, time, offset)), time)


def encode(kind: int, data: bytes, time: int, offset: int) -> bytes:
    """Return a whole frame that will stand at `offset`."""
    return head(kind, len(data), time, offset) + data


def parse_header(buffer: bytes, at: int, offset: int) -> Header | None:
    """Return the header at `buffer[at:]`, which stands at `offset` of the file; None if there is none."""
    if len(buffer) - at < HEAD_SIZE:
        return None
    word, check, time = _HEAD.unpack_from(buffer, at)
    kind = _KINDS.get(word >> 24)
    if kind is None or check != zlib.crc32(_CHECKED.pack(word, time, offset)):
        return None
    return Header(kind, time, offset, word & MAX_PAYLOAD)


def decode(buffer: bytes, offset: int) -> Iterator[Frame]:
    """Yield the whole frames of `buffer`, whose first byte stands at `offset` of the file.

    Stops at an incomplete frame, which a live journal may end with, and at bytes that are no frame.
    """
    at = 0
    while (header := parse_header(buffer, at, offset + at)) is not None:
        end = header.end - offset
        if end > len(buffer):
            return
        yield Frame(header.kind, header.time, header.offset, buffer[at + HEAD_SIZE : end])
        at = end


def said(data: bytes) -> dict[str, Any]:
    """Return what a frame of JSON says; nothing where a power cut left no more of it than its header."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def event_id(offset: int, slot: int) -> int:
    """Return the id of the slot-th event of what stands at `offset`."""
    assert 0 <= slot < SLOTS
    return offset * SLOTS + slot


def place(event: int) -> tuple[int, int]:
    """Return the (offset, slot) that an event id names."""
    return divmod(event, SLOTS)
