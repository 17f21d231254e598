"""What is read: functions of a connection. `lists` has the lists."""

from __future__ import annotations

import json
from collections.abc import Collection
from sqlite3 import Connection

from ..core.errors import KeyReused, RunNotFound
from ..core.model import Mode, Run, Status
from .rows import COLUMNS, FULL, PROMPTED, run_of
from .types import Key

_WAITING = "FROM runs INDEXED BY runs_due WHERE status = 'queued' AND held = 0"
GIVEN = "IN (SELECT value FROM json_each(?))"
_OVERTAKING = (
    "SELECT count(*) FROM runs INDEXED BY runs_queued WHERE status = 'queued' AND held = 0 AND agent = ? "
    "AND due_at <= ? AND (priority > ? OR (priority = ? AND seq < ?))"
)
_EXPIRED = (
    "SELECT id, finished_at, scratch_until FROM runs WHERE scratch_until <= ? "
    "ORDER BY scratch_until LIMIT ? OFFSET ?"
)
_OWING = "SELECT 1 FROM deliveries WHERE run_seq = runs.seq AND state = 'pending'"
# A row without prompt and input takes about a KiB.
_SIZE = "1024 + length(CAST(prompt AS BLOB)) + coalesce(length(CAST(input AS BLOB)), 0)"


def get(db: Connection, run_id: str, columns: str = COLUMNS) -> Run:
    """Return a run without prompt and input. Raises NotFound."""
    row = db.execute(f"SELECT {columns} FROM runs WHERE id = ?", (run_id,)).fetchone()  # noqa: S608
    if row is None:
        raise RunNotFound(run_id)
    return run_of(row)


def get_prompted(db: Connection, run_id: str) -> Run:
    """Return a run with prompt and without input. Raises NotFound."""
    return get(db, run_id, PROMPTED)


def get_full(db: Connection, run_id: str) -> Run:
    """Return a run with prompt and input. Raises NotFound."""
    return get(db, run_id, FULL)


def named(db: Connection, key: Key | None) -> Run | None:
    """Return the run that a key names, None if it is new. Raises KeyReused for another payload."""
    if key is None:
        return None
    sql = f"SELECT fingerprint, {COLUMNS} FROM runs INDEXED BY runs_by_key WHERE key = ? AND key_scope = ?"  # noqa: S608
    row = db.execute(sql, (key.key, key.scope)).fetchone()
    if row is not None and not key.sent_with(row[0]):
        raise KeyReused(f"the idempotency key {key.key!r} was used with another payload; use a new one")
    return row and run_of(row[1:])


def running(db: Connection) -> list[Run]:
    """Return the running runs with their input, oldest first: recovery starts from them."""
    sql = f"SELECT {FULL} FROM runs INDEXED BY runs_running WHERE status = 'running' ORDER BY seq"  # noqa: S608
    return [run_of(row) for row in db.execute(sql)]


def next_due(db: Connection, at: int) -> int | None:
    """Return the first time after `at` at which a queued run is due."""
    due: int | None = db.execute(f"SELECT min(due_at) {_WAITING} AND due_at > ?", (at,)).fetchone()[0]
    return due


def waiting(db: Connection) -> bool:
    """Say whether any run is queued and not held."""
    return db.execute(f"SELECT 1 {_WAITING} LIMIT 1").fetchone() is not None


def overtaking(db: Connection, run: Run, at: int) -> int:
    """Return how many queued runs of its agent, due at a time, are claimed before a queued run."""
    given = (run.agent, at, run.priority, run.priority, run.seq)
    return int(db.execute(_OVERTAKING, given).fetchone()[0])


def below(db: Connection, run: Run) -> list[str]:
    """Return the ids of a run's descendants that are not final, parents before their children."""
    sql = "SELECT id, parent, finished_at FROM runs INDEXED BY runs_by_root WHERE root = ? ORDER BY seq"
    above, found = {run.id}, []
    # A child is younger than its parent. All of a tree is below its top, even if one in between was deleted.
    for run_id, parent, finished_at in db.execute(sql, (run.root,)):
        if parent in above or (run.id == run.root != run_id):
            above.add(run_id)
            found += [run_id] if finished_at is None else []
    return found


def totals_by_agent(db: Connection, mode: Mode | None = None) -> dict[str, dict[Status, int]]:
    """Return how many runs each agent has of each status that it has, from the kept counters."""
    found: dict[str, dict[Status, int]] = {}
    sql = "SELECT agent, status, n FROM counts WHERE n > 0 AND mode = coalesce(?, mode)"
    for agent, status, n in db.execute(sql, (mode,)):
        of_agent = found.setdefault(agent, {})
        of_agent[Status(status)] = of_agent.get(Status(status), 0) + n
    return found


def queued(db: Connection) -> int:
    """Return how many runs are queued, including held ones."""
    sql = "SELECT coalesce(sum(n), 0) FROM counts WHERE status = 'queued'"
    return int(db.execute(sql).fetchone()[0])


def oldest(db: Connection, after_seq: int, limit: int) -> list[Run]:
    """Return the next runs after a seq whose webhooks are not owed any more, oldest first."""
    sql = f"SELECT {COLUMNS} FROM runs WHERE seq > ? AND NOT EXISTS ({_OWING}) ORDER BY seq LIMIT ?"  # noqa: S608
    return [run_of(row) for row in db.execute(sql, (after_seq, limit))]


def known(db: Connection, run_ids: Collection[str]) -> set[str]:
    """Return those of these ids that name a run."""
    found = db.execute(f"SELECT id FROM runs WHERE id {GIVEN}", (json.dumps(list(run_ids)),))  # noqa: S608
    return {run_id for (run_id,) in found}


def removed(db: Connection, run_ids: Collection[str]) -> set[str]:
    """Return those of these ids that named a run, as far as that is remembered."""
    found = db.execute(f"SELECT id FROM removed WHERE id {GIVEN}", (json.dumps(list(run_ids)),))  # noqa: S608
    return {run_id for (run_id,) in found}


def expired_scratches(db: Connection, at: int, limit: int, offset: int) -> list[tuple[str, int, int]]:
    """Return runs whose scratch directory is kept no longer than until `at`: id, end, until when."""
    return db.execute(_EXPIRED, (at, limit, offset)).fetchall()


def stored_sizes(db: Connection, run_ids: Collection[str]) -> dict[str, int]:
    """Return about how many bytes the rows of some runs take, by id."""
    sql = f"SELECT id, {_SIZE} FROM runs WHERE id {GIVEN}"  # noqa: S608
    return dict(db.execute(sql, (json.dumps(list(run_ids)),)).fetchall())


def used_bytes(db: Connection) -> int:
    """Return the bytes of the database file that are in use; what was freed is used again."""
    pragmas = "pragma_page_count, pragma_freelist_count, pragma_page_size"
    sql = f"SELECT (page_count - freelist_count) * page_size FROM {pragmas}"  # noqa: S608
    return int(db.execute(sql).fetchone()[0])
