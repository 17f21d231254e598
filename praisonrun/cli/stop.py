"""`praisonrun stop`: stop the server that holds a state directory; with --cancel, first its runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import Unavailable, counted
from .client import Client, Pause
from .local import end, holder, target

CANCEL_SECONDS = 120.0
POLL = 0.1


def stop(state: Path | None, host: str | None, port: int | None, *, cancel: bool = False) -> int:
    """Stop the server of a state directory; print one line; return 0, or 1 when there is none."""
    meant = target(state, host, port)
    directory = meant.settings.state
    pid = holder(directory)
    if pid is None:
        print(f"no server runs on {directory}")
        return 1
    cancelled = ""
    if cancel:
        with Client(meant.base, token=meant.token, tries=3) as client:
            cancelled = f", {counted_live(cancel_all(client))} cancelled"
    if not end(directory, pid):
        raise Unavailable(f"the server (pid {pid}) has not stopped yet")
    print(f"stopped (pid {pid}){cancelled}")
    return 0


def counted_live(live: Mapping[str, str]) -> str:
    """Return how many runs and services there are (id to mode): `2 runs and 1 service`."""
    counts = Counter(live.values())
    return " and ".join(counted(counts[mode], mode) for mode in sorted(counts)) or "0 runs"


def cancel_all(client: Client, pause: Pause = time.sleep) -> Mapping[str, str]:
    """Cancel all that is live, wait until it has ended, return it: id to mode. Raises Unavailable."""
    deadline = time.monotonic() + CANCEL_SECONDS
    asked: dict[str, str] = {}
    while live := client.live():
        for run_id in sorted(live.keys() - asked.keys()):
            client.cancel(run_id, wait=False)
        asked |= live
        if time.monotonic() > deadline:
            left = counted_live(live)
            raise Unavailable(f"cancelled, but not ended yet: {left}; the server is still running")
        pause(POLL)
    return asked
