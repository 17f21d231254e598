"""`praisonrun webhooks`: list webhooks, and send them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.discovery import Named
from ..core.errors import Invalid, counted
from .client import Client
from .local import target
from .text import plain


def show(named: Named, *, dead: bool) -> int:
    """Print a line for each of the newest deliveries; return 0."""
    with Client(target(named), tries=3) as client:
        page = client.deliveries(dead=dead)
    found = page["deliveries"]
    for delivery in found:
        print(plain(line(delivery)))
    more = page["total"] - len(found)
    print(f"and {more} more" if more > 0 else counted(len(found), "webhook"))
    return 0


def line(delivery: Mapping[str, Any]) -> str:
    """Return a delivery as one line: run, state, last attempt, receiver."""
    attempts, next_at = delivery["attempts"], delivery["next_attempt_at"]
    error = attempts[-1]["error"] if attempts else None
    parts = [delivery["job_id"], f"{delivery['state']:<9}", counted(len(attempts), "attempt"), error]
    parts += [next_at and f"next {next_at}", delivery["url"]]
    return "  ".join(part for part in parts if part)


def replay(named: Named, run_id: str | None, *, every: bool) -> int:
    """Send a run's webhook again, or every one that was given up; return 0, or 1 if there was none."""
    if (run_id is None) is not every:
        raise Invalid("name a run, or use --all for every webhook that was given up")
    with Client(target(named), tries=3) as client:
        count = client.replay_dead() if run_id is None else client.replay(run_id)
    print(f"{counted(count, 'webhook')} will be sent again")
    return 0 if count else 1
