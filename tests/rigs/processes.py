"""Which processes an agent has, told by the run's id in their environment."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from praisonrun.process import sweep


def of_run(run_id: str) -> set[int]:
    """Return the living processes of a run, whatever store it belongs to, and their descendants."""
    return sweep.marked(f"PRAISONRUN_RUN_ID={run_id}")


def kill_run(run_id: str) -> None:
    """Kill them."""
    while found := of_run(run_id):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
