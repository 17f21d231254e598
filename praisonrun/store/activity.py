"""What ended, from counters by hour and agent that the end of each run moves in its own transaction.

They outlive their runs. A trigger of the schema keeps them, so no writer can forget to.
"""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

HOUR = 3_600_000_000
"""Microseconds."""
AGENTS = 100
"""Agents that are told apart, those with the most ends."""
_WHERE = "FROM activity WHERE hour BETWEEN ?1 AND ?2 AND (?3 IS NULL OR agent = ?3)"


class Ended(NamedTuple):
    """How many runs and services ended, of these failed and were cancelled (the others succeeded), and what
    they used, as far as their agents told."""

    ended: int = 0
    failed: int = 0
    cancelled: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_microusd: int = 0


SUMS = ", ".join(f"sum({name})" for name in Ended._fields)


class Activity(NamedTuple):
    """What ended in some hours."""

    hours: dict[int, Ended]
    """By the hour's begin in microseconds since the epoch; not those in which nothing ended."""
    agents: dict[str, Ended]
    """By agent, the busiest first, at most AGENTS."""


def activity(db: Connection, first: int, last: int, agent: str | None = None) -> Activity:
    """Return what ended from the hour that begins at `first` to that which begins at `last`."""
    bound = (first, last, agent)
    by_hour = db.execute(f"SELECT hour, {SUMS} {_WHERE} GROUP BY hour", bound)
    hours = {hour: Ended(*of) for hour, *of in by_hour}
    sql = f"SELECT agent, {SUMS} {_WHERE} GROUP BY agent ORDER BY 2 DESC, 1 LIMIT {AGENTS}"
    return Activity(hours, {name: Ended(*of) for name, *of in db.execute(sql, bound)})


def forget(db: Connection, before: int) -> None:
    """Forget the hours that began before a time."""
    db.execute("DELETE FROM activity WHERE hour < ?", (before,))
