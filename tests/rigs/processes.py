"""Which processes an agent has, told by the run's id in their environment."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil

from praisonrun.process import sweep


def of_run(run_id: str) -> set[int]:
    """Return the living processes of a run, whatever store it belongs to, and their descendants."""
    return sweep.marked(f"PRAISONRUN_RUN_ID={run_id}")


def ids_of_living() -> set[str]:
    """Return the ids of all runs that have living processes, in one look at all of them."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found.add(process.environ().get("PRAISONRUN_RUN_ID", ""))
    return found - {""}


def kill_run(run_id: str) -> None:
    """Kill them."""
    while found := of_run(run_id):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
