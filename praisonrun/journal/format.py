"""The journal's frame format: encode, decode, event ids. Pure: no files, no clock.

A journal is a 64-byte file header and then frames. Only the run's shim appends them:

    word   u32   kind in the top 8 bits, payload length in the lower 24
    check  u32   crc32 of word, time and the frame's own offset
    time   u64   microseconds since the epoch
    payload

The check binds a header to its offset. So a cursor into the middle of a frame, or a torn tail, is
recognised and never read as data. Shims import this module: standard library only.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

_FAMILY = b"praisonrun journal "
MAGIC = _FAMILY + b"1\n"
START = 64
"""Offset of the first frame."""
WATCH_AT = 32
"""Offset of the byte that is `1` while somebody watches the run: the shim rings the bell only then."""
ASKING = b"?"
"""Stands before the run's id in a ring that says that its agent asks something; no id has it."""
FILE_HEADER = MAGIC.ljust(START, b"\0")
MAX_PAYLOAD = (1 << 24) - 1
BATCH = 2048
"""Bytes of a frame that holds several lines for programs, at most: few enough to be parsed at once."""
IDS_PER_BYTE = 16
"""Event ids for each byte of the file: an event's id is this times an offset, plus a slot.

The offset is the frame's. Where each line of a frame has events of its own, it is that of the line's first
byte, but for the first line.
"""

_HEAD = struct.Struct("<IIQ")
_CHECKED = struct.Struct("<IQQ")
HEAD_SIZE = _HEAD.size


class Kind(IntEnum):
    """The kind of a frame's payload."""

    STDOUT = 1
    STDERR = 2
    EVENT = 3
    """One line that the agent wrote to the FIFO at PRAISONRUN_EVENTS."""
    STARTED = 4
    """JSON: an attempt's process exists (with its `pid`), or will be started next (without)."""
    ENDED = 5
    """JSON: how the attempt's process ended and what it used. It is the attempt's last frame."""
    RESULT = 6
    """The content of the file at PRAISONRUN_RESULT_PATH."""
    DROPPED = 7
    """JSON: how many bytes of each stream the output cap kept out of the journal here."""


_KINDS = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One frame and its offset."""

    kind: Kind
    time: int
    """Microseconds since the epoch."""
    offset: int
    data: bytes

    @property
    def end(self) -> int:
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
        return self.offset + HEAD_SIZE + self.length


def is_another_version(header: bytes) -> bool:
    """Say whether a file header names another version of this format. A torn header names none."""
    name = header[: len(MAGIC)].rstrip(b"\0")
    return name.startswith(_FAMILY) and not MAGIC.startswith(name)


def head(kind: int, length: int, time: int, offset: int) -> bytes:
    """Return the header of a frame that will be written at `offset`."""
    word = kind << 24 | length
    return _HEAD.pack(word, zlib.crc32(_CHECKED.pack(word, time, offset)), time)


def encode(kind: int, data: bytes, time: int, offset: int) -> bytes:
    """Return a whole frame that will be written at `offset`."""
    return head(kind, len(data), time, offset) + data


def parse_header(buffer: bytes, at: int, offset: int) -> Header | None:
    """Return the header at `buffer[at:]`, which is at `offset` in the file; None if there is none."""
    if len(buffer) - at < HEAD_SIZE:
        return None
    word, check, time = _HEAD.unpack_from(buffer, at)
    kind = _KINDS.get(word >> 24)
    if kind is None or check != zlib.crc32(_CHECKED.pack(word, time, offset)):
        return None
    return Header(kind, time, offset, word & MAX_PAYLOAD)


def decode(buffer: bytes, offset: int, at: int = 0) -> Iterator[Frame]:
    """Yield the whole frames of `buffer` from its byte `at` on; its first byte is at `offset` in the file.

    Stops at an incomplete frame, which a live journal may end with, and at bytes that are no frame.
    """
    while (header := parse_header(buffer, at, offset + at)) is not None:
        end = header.end - offset
        if end > len(buffer):
            return
        yield Frame(header.kind, header.time, header.offset, buffer[at + HEAD_SIZE : end])
        at = end


def json_payload(data: bytes) -> dict[str, Any]:
    """Return the object in a JSON frame; {} if a power cut left only the frame's header."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def event_id(offset: int, slot: int) -> int:
    """Return the id of event number `slot` of the frame at `offset`."""
    assert 0 <= slot < IDS_PER_BYTE
    return offset * IDS_PER_BYTE + slot


def split_event_id(event: int) -> tuple[int, int]:
    """Return the (offset, slot) of an event id."""
    return divmod(event, IDS_PER_BYTE)
