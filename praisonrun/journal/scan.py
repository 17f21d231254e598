"""Walk the frames of an open journal. Standard library only: shims do it too.

Every walk ends after the last whole frame: before one that is still being written, and before bytes
that are no frame, which a power cut may leave.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from praisonrun.journal.format import (
    HEAD_SIZE,
    START,
    Frame,
    Header,
    decode,
    is_another_version,
    parse_header,
)

_WINDOW = 4096


def headers(fd: int, offset: int = START) -> Iterator[Header]:
    """Yield the headers of the whole frames from `offset` on, without reading their payloads."""
    size = os.fstat(fd).st_size
    window, base = b"", offset
    while True:
        if not 0 <= offset - base <= len(window) - HEAD_SIZE:
            window, base = os.pread(fd, _WINDOW, offset), offset
        header = parse_header(window, offset - base, offset)
        if header is None or header.end > size:
            return
        yield header
        offset = header.end


def readable(fd: int) -> bool:
    """Say whether a journal is of this version of the format."""
    return not is_another_version(os.pread(fd, START, 0))


def header_at(fd: int, offset: int) -> Header | None:
    """Return the header at `offset`; None if no frame begins there."""
    return parse_header(os.pread(fd, HEAD_SIZE, offset), 0, offset)


def payload(fd: int, header: Header) -> bytes:
    """Return the bytes that a frame holds."""
    return os.pread(fd, header.length, header.offset + HEAD_SIZE)


def frames(fd: int, offset: int, size: int) -> list[Frame]:
    """Return the whole frames in the `size` bytes from `offset` on, or the first one if it is longer."""
    found = list(decode(os.pread(fd, size, offset), offset))
    if not found and (longer := header_at(fd, offset)) is not None and longer.end - offset > size:
        found = list(decode(os.pread(fd, longer.end - offset, offset), offset))
    return found


def end(fd: int) -> int:
    """Return the offset after the last whole frame."""
    last = START
    for header in headers(fd):
        last = header.end
    return last
