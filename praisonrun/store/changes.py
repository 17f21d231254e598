"""What changed after a point. Each write of a run's row and each removal takes the next number, its `rev`.

One connection writes, so a rev that is committed later is higher. A row keeps its latest rev alone: what is
read here is a compacted history, the latest state of each run that changed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from sqlite3 import Connection
from typing import NamedTuple

from ..core.model import Run
from .rows import COLUMNS, run_of

BYTES = 64 * 1024
"""Characters of rows after which one reading of changes ends."""
_LAST = """
    SELECT max(coalesce((SELECT max(rev) FROM runs), 0), coalesce((SELECT max(rev) FROM removed), 0), rev)
    FROM removed_floor
"""
_RUNS = f"SELECT rev, {COLUMNS} FROM runs INDEXED BY runs_by_rev WHERE rev > ? ORDER BY rev LIMIT ?"  # noqa: S608
_GONE = "SELECT rev, id, at FROM removed WHERE rev > ? AND rev <= ? ORDER BY rev LIMIT ?"
_ENDS = """
    SELECT id, finished_at
    FROM (SELECT id, finished_at FROM runs INDEXED BY runs_by_rev ORDER BY rev DESC LIMIT ?)
    WHERE finished_at > ?
"""
_THESE = "id IN (SELECT value FROM json_each(?))"


class Change(NamedTuple):
    """The latest change of a run."""

    rev: int
    id: str
    at: int
    """When; microseconds since the epoch."""
    run: Run | None
    """The row, without prompt and input; None if it was removed."""


class Changes(NamedTuple):
    """Changes in the order of their revs."""

    found: list[Change]
    next: int
    """Nothing up to this rev is left out."""
    floor: int
    """Up to this rev removals are forgotten: who knows no more than a lower one must look anew."""
    last: int
    """The highest rev there is."""


def since(db: Connection, rev: int, limit: int) -> Changes:
    """Return at most `limit` changes after a rev, fewer if they are large."""
    last, (floor,) = last_rev(db), db.execute("SELECT rev FROM removed_floor").fetchone()
    found, size, upto = list[Change](), 0, last
    for number, *row in db.execute(_RUNS, (rev, limit)):
        run = run_of(row)
        found.append(Change(number, run.id, run.updated_at, run))
        size += sum(len(value) for value in row if isinstance(value, str))
        if size > BYTES or len(found) == limit:
            upto = number
            break
    gone = [Change(number, run_id, at, None) for number, run_id, at in db.execute(_GONE, (rev, upto, limit))]
    if len(gone) == limit:
        upto = gone[-1].rev
    both = sorted([*found, *gone], key=lambda change: change.rev)[:limit]
    if len(found) + len(gone) > limit:
        upto = min(upto, both[-1].rev)
    return Changes([change for change in both if change.rev <= upto], upto, floor, last)


def last_rev(db: Connection) -> int:
    """Return the highest rev that was committed. It never falls: a removal has one of its own."""
    return int(db.execute(_LAST).fetchone()[0])


def latest_ends(db: Connection, since: int, limit: int) -> list[tuple[str, int]]:
    """Return id and end of those of the `limit` runs changed last that finished after a time, oldest change
    first."""
    return list(reversed(db.execute(_ENDS, (limit, since)).fetchall()))


def rev_before(db: Connection, ending: Collection[str]) -> int:
    """Return the highest rev before those that the ends of some running runs took, if these are stored."""
    sql = f"SELECT min(rev) - 1 FROM runs WHERE {_THESE} AND status <> 'running'"  # noqa: S608
    before = db.execute(sql, (json.dumps(list(ending)),)).fetchone()[0] if ending else None
    return last_rev(db) if before is None else int(before)


def touch(db: Connection, run_ids: Collection[str]) -> None:
    """Let running runs be among the changes: something about them changed that rows do not hold."""
    sql = f"UPDATE runs SET rev = next_rev() WHERE status = 'running' AND {_THESE}"  # noqa: S608
    db.execute(sql, (json.dumps(list(run_ids)),))
