"""`praisonrun webhooks`: list webhooks, and send them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import Invalid
from ..core.text import counted
from .client import Client
from .screen import plain
from .target import target

SHOWN = 100
"""Deliveries that one list shows."""


def show(state: Path | None, host: str | None, port: int | None, *, dead: bool) -> int:
    """Print a line for each of the newest deliveries; return 0."""
    meant = target(state, host, port)
    with Client(meant.base, token=meant.token, tries=3) as client:
        page = client.deliveries("dead" if dead else None, SHOWN)
    found = page["deliveries"]
    for delivery in found:
        print(plain(line(delivery)))
    more = page["total"] - len(found)
    print(f"and {more} more" if more > 0 else counted(len(found), "webhook"))
    return 0


def line(delivery: Mapping[str, Any]) -> str:
    """Return a delivery as one line: run, state, last attempt, receiver."""
    return "  ".join(
        [str(delivery["job_id"]), f"{delivery['state']:<9}", *_fate(delivery), str(delivery["url"])]
    )


def _fate(delivery: Mapping[str, Any]) -> Iterator[str]:
    attempts = delivery["attempts"]
    yield counted(len(attempts), "attempt")
    if attempts and attempts[-1]["error"]:
        yield str(attempts[-1]["error"])
    if delivery["next_attempt_at"]:
        yield f"next {delivery['next_attempt_at']}"


def replay(state: Path | None, host: str | None, port: int | None, run_id: str | None, *, every: bool) -> int:
    """Send a run's webhook again, or every one that was given up; print how many; return 0, or 1 for none.

    Raises NotFound, and Invalid unless exactly one of the two is asked for.
    """
    if (run_id is None) is not every:
        raise Invalid("name a run, or use --all for every webhook that was given up")
    meant = target(state, host, port)
    with Client(meant.base, token=meant.token, tries=3) as client:
        count = client.replay_dead() if run_id is None else client.replay(run_id)
    print(f"{counted(count, 'webhook')} will be sent again")
    return 0 if count else 1
