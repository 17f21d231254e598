"""What the server's log says of runs: a line for each that is finished, and more where that is wanted.

An agent's own words are in its journal and its row alone.
"""

from __future__ import annotations

import logging

from ..core.model import Failure, Run

log = logging.getLogger("praisonrun")
_AGENTS_OWN = (Failure.AGENT_ERROR, Failure.INSTALL_FAILED, Failure.READINESS_FAILED, Failure.EXITED)
"""Failures whose error repeats what the agent said."""
LONGEST = 300
"""Characters of an error."""


def finished(run: Run) -> None:
    """Say how a run ended."""
    error = None if run.failure in (None, *_AGENTS_OWN) else (run.error or "")[:LONGEST]
    seconds = None if run.duration is None else round(run.duration / 1e6, 3)
    fields = {
        "run": run.id,
        "agent": run.agent,
        "mode": run.mode,
        "status": run.status,
        "failure": run.failure,
        "error": error,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "attempt": run.attempt or None,
        "seconds": seconds,
    }
    after = "" if seconds is None else " after %(seconds).2f s"
    why = ": %(error)s" if error else ": %(failure)s" if run.failure else ""
    log.info("%(mode)s %(run)s of %(agent)s %(status)s" + after + why, fields)


def step(run: Run, what: str, *args: object) -> None:
    """Say what happens to a run, where that is wanted; `what` is a format of `args`."""
    if log.isEnabledFor(logging.DEBUG):
        fields = {"run": run.id, "agent": run.agent, "mode": run.mode, "step": what % args}
        log.debug("%(mode)s %(run)s of %(agent)s %(step)s", fields)
