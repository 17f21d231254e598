"""What agents ask, in a journal: read on from an offset, a piece at a time."""

from __future__ import annotations

from typing import NamedTuple

from ..core.question import Ask, BadAsk
from .events import ask_in
from .format import Kind
from .reader import Reader

MOST = 200
"""Questions that are read at once."""


class Asked(NamedTuple):
    """What is asked between two offsets."""

    found: list[tuple[Ask | BadAsk, int]]
    """Each with its time, microseconds since the epoch."""
    end: int
    """The offset that all of it is before."""

    @property
    def more(self) -> bool:
        """Whether more may follow at once."""
        return len(self.found) == MOST


def asks_from(reader: Reader, offset: int) -> Asked:
    """Return what is asked from an offset on, at most MOST. Of most frames only the header is read."""
    found: list[tuple[Ask | BadAsk, int]] = []
    for header in reader.headers(offset):
        if header.kind is Kind.EVENT and (asked := ask_in(reader.payload(header))) is not None:
            found.append((asked, header.time))
        offset = header.end
        if len(found) == MOST:
            break
    return Asked(found, offset)
