"""Journals as shims write them, and as those did that put each line into a frame of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator

from praisonrun.journal import format as journal
from praisonrun.journal.format import BATCH, Kind

BEGIN = [
    (Kind.STARTED, b'{"attempt": 1, "shim": 2}'),
    (Kind.STARTED, b'{"attempt": 1, "shim": 2, "pid": 3}'),
]
END = (Kind.ENDED, b'{"attempt": 1, "reason": "exited", "code": 0, "pid": 3}')


def written(frames: list[tuple[Kind, bytes]]) -> bytes:
    """Return a journal of some frames."""
    data = bytearray(journal.FILE_HEADER)
    for kind, payload in frames:
        data += journal.encode(kind, payload, 1, len(data))
    return bytes(data)


def printed(output: bytes, *, old: bool) -> bytes:
    """Return the journal of an agent that printed some lines: each in a frame if it is of the `old` form."""
    return written([*BEGIN, *((Kind.STDOUT, part) for part in _parts(output, old=old)), END])


def _parts(output: bytes, *, old: bool) -> Iterator[bytes]:
    if old:
        yield from io.BytesIO(output).readlines()
        return
    start = 0
    while start < len(output):
        stop = output.rfind(b"\n", start, start + BATCH) + 1 or len(output)
        yield output[start:stop]
        start = stop
