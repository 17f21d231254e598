"""How a journal ends: what recovery and every settlement start from."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.json import Json
from . import scan
from .format import START, Kind, json_payload


@dataclass(frozen=True, slots=True)
class Tail:
    """How a journal ends."""

    end: int
    """Offset after the last whole frame."""
    started: Json = None
    """The payload of the last started frame."""
    ended: Json = None
    """The payload of the ended frame after it; None if that attempt has not ended."""
    readable: bool = True
    """False for a journal of another version of praisonrun, whose frames are unknown."""


def tail(fd: int) -> Tail:
    """Return how an open journal ends, by its frames' headers."""
    if not scan.readable(fd):
        return Tail(START, readable=False)
    end, started, ended = START, None, None
    for header in scan.headers(fd):
        end = header.end
        if header.kind is Kind.STARTED:
            started, ended = header, None
        elif header.kind is Kind.ENDED:
            ended = header
    start, last = (json_payload(scan.payload(fd, header)) if header else None for header in (started, ended))
    return Tail(end, start or None, last or None)
