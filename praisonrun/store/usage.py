"""What runs used: by agent and by day from the counters of `activity`, by session from the rows."""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

from .activity import HOUR, SUMS, Ended
from .lists import submitted_since

_COUNTED = {
    "agent": ("agent", "agent"),
    "day": ("date(hour / 1000000, 'unixepoch')", "hour / 86400000000"),
}
"""What the counters tell apart: its name, and what they are grouped by."""
ROWS = 100
"""Agents or sessions that are told apart, the dearest first. Counters of days are kept for a year."""
LOOKED = 10_000
"""The newest finished runs whose sessions are looked at: no counter knows a session."""
_RUNS = (
    "SELECT session_id, created_at, status, tokens_in, tokens_out, cost_microusd FROM runs "
    "WHERE seq >= ? AND (seq >= ? OR created_at >= ?) AND finished_at IS NOT NULL ORDER BY seq DESC LIMIT ?"
)
_OF_RUNS = (
    "count(*), sum(status = 'failed'), sum(status = 'cancelled'), "
    "total(tokens_in), total(tokens_out), total(cost_microusd)"
)


class Usage(NamedTuple):
    """What finished runs used since a time."""

    since: int
    """Where it begins: with the hour of the time that was asked for; of sessions later, after LOOKED runs."""
    total: Ended
    """All rows, also those that are left out."""
    rows: dict[str, Ended]
    """By agent or session, the dearest first, at most ROWS; or by day, UTC, the oldest first."""


def usage(db: Connection, by: str, since: int) -> Usage:
    """Return what runs used that finished since a time; by session, those that were submitted since then."""
    first = since - since % HOUR
    if by == "session":
        return _by_session(db, first)
    name, group = _COUNTED[by]
    sql = f"SELECT {name}, {SUMS} FROM activity WHERE hour >= ? GROUP BY {group} ORDER BY 1"  # noqa: S608
    rows = {name: Ended(*of) for name, *of in db.execute(sql, (first,))}
    return Usage(first, _total(rows), rows if by == "day" else _dearest(rows))


def _by_session(db: Connection, since: int) -> Usage:
    sql = f"SELECT session_id, min(created_at), {_OF_RUNS} FROM ({_RUNS}) GROUP BY 1"  # noqa: S608
    found = db.execute(sql, (*submitted_since(db, since), since, LOOKED)).fetchall()
    if sum(row[2] for row in found) == LOOKED:
        since = max(since, min(row[1] for row in found))
    rows = {name: Ended(*map(int, of)) for name, _, *of in found if name is not None}
    return Usage(since, _total(rows), _dearest(rows))


def _total(rows: dict[str, Ended]) -> Ended:
    return Ended(*map(sum, zip(*rows.values(), strict=True))) if rows else Ended()


def _dearest(rows: dict[str, Ended]) -> dict[str, Ended]:
    def price(name: str) -> tuple[int, int, int]:
        of = rows[name]
        return -of.cost_microusd, -of.tokens_in - of.tokens_out, -of.ended

    return {name: rows[name] for name in sorted(rows, key=price)[:ROWS]}
