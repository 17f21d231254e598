"""`praisonrun stop`: end the server that holds a state directory; with --cancel, its runs first."""

from __future__ import annotations

import time
from pathlib import Path

from ..core.errors import Unavailable
from .client import Client, Pause
from .local import end, holder
from .target import Target, target

CANCEL_SECONDS = 120.0
POLL = 0.1


def stop(state: Path | None, host: str | None, port: int | None, *, cancel: bool = False) -> int:
    """Stop the server of a state directory; return 0, or 1 when there is none. Prints one line."""
    meant = target(state, host, port)
    place = meant.settings.state
    pid = holder(place)
    if pid is None:
        print(f"no server runs on {place}")
        return 1
    ended = _cancel(meant) if cancel else None
    if not end(place, pid):
        raise Unavailable(f"the server (pid {pid}) has not stopped yet")
    print(f"stopped (pid {pid})" + ("" if ended is None else f", {ended} run(s) cancelled"))
    return 0


def _cancel(meant: Target) -> int:
    with Client(meant.base, token=meant.token, tries=3) as client:
        return cancel_all(client)


def cancel_all(client: Client, pause: Pause = time.sleep) -> int:
    """Cancel every live run and wait until none is left; return how many were asked.

    Raises Unavailable for runs that have not ended in CANCEL_SECONDS.
    """
    deadline = time.monotonic() + CANCEL_SECONDS
    asked: set[str] = set()
    while live := client.live():
        for run_id in sorted(live - asked):
            client.cancel(run_id, wait=False)
        asked |= live
        if time.monotonic() > deadline:
            raise Unavailable(f"{len(live)} cancelled run(s) have not ended; the server still runs")
        pause(POLL)
    return len(asked)
