"""`praisonrun stop`: the end of a server, and with --cancel of all that it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..config import discovery
from ..config.discovery import Named
from ..core.errors import ConfigError, Unavailable
from .client import Client, Pause
from .local import counted_live, end, settings_of, target
from .pipe import print_object

CANCEL_SECONDS = 120.0
CANCEL_POLL = 0.1


def stop(named: Named, *, cancel: bool = False, as_json: bool = False) -> int:
    """Stop the server of a state directory; print that; return 0, or 2 when there is none."""
    if named.url is not None:
        raise ConfigError("--url: only a server of this machine can be stopped; name its --state")
    directory = settings_of(named).state
    pid = discovery.holder(directory)
    live: Mapping[str, str] = {}
    if pid is not None:
        if cancel:
            with Client(target(named), tries=3) as client:
                live = cancel_all(client)
        if not end(directory, pid):
            raise Unavailable(f"the server (pid {pid}) has not stopped yet")
    if as_json:
        print_object({"state": str(directory), "pid": pid, "cancelled": len(live), "job_ids": sorted(live)})
    elif pid is None:
        print(f"no server runs on {directory}")
    else:
        print(f"stopped (pid {pid})" + (f", {counted_live(live)} cancelled" if cancel else ""))
    return 2 if pid is None else 0


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
        pause(CANCEL_POLL)
    return asked
