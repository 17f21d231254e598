"""What a live run's questions need, in memory: all of it can be found again in its journal and the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Asking:
    """The questions of one live run."""

    read: int
    """How far the journal was read."""
    known: bool = False
    """Whether what an earlier server or attempt left was looked up."""
    due: dict[str, int] = field(default_factory=dict)
    """When each open one expires: microseconds of the steady clock."""
    untold: dict[str, None] = field(default_factory=dict)
    """Those whose answers the agent was not told yet."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time reads on."""
    reported: bool = False
    """Whether the log says that the agent cannot be told."""
