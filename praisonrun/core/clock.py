"""The one clock. Everything that decides takes the time as an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> int:
    """Return the time: microseconds since the epoch."""
    return time.time_ns() // 1000


def iso(at: int | None) -> str | None:
    """Return a time as the wires show it: UTC, milliseconds, `Z`."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
