"""praisonrun under a wall clock that is set by a file of seconds; its retention looks all the time."""

import os
import sys
import time
from pathlib import Path

from praisonrun import __main__
from praisonrun.engine import retention

OFFSET = Path(os.environ["CLOCK_OFFSET"])
_now = time.time_ns


def offset() -> int:
    return int(OFFSET.read_text()) * 1_000_000_000


time.time_ns = lambda: _now() + offset()
time.time = lambda: time.time_ns() / 1e9
retention.FIRST_PRUNE = 0
retention.PRUNE_EVERY = retention.EXPIRE_EVERY = 0.05
sys.exit(__main__.main())
