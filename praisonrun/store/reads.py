"""What is read, each as a function of a connection. Lists never touch prompt and input."""

from __future__ import annotations

import json
import sqlite3
from itertools import product
from typing import Any

from ..errors import NotFound, RunNotFound
from ..model import Mode, Run, Status
from .rows import COLUMNS, FULL, run_of
from .shapes import Find, Key, Page, StoredDelivery, StoredVersion

_DELIVERIES = (
    "SELECT d.id, r.id, d.url, d.type, d.state, d.attempts, d.due_at, d.created_at, d.last_status, "
    "d.last_error, d.delivered_at FROM runs r JOIN deliveries d ON d.run_seq = r.seq WHERE r.id = ? "
    "ORDER BY d.created_at, d.id"
)
_NEWEST = (1 << 63) - 1


def get(connection: sqlite3.Connection, run_id: str, columns: str = COLUMNS) -> Run:
    """Return a run. Raises NotFound."""
    row = connection.execute(f"SELECT {columns} FROM runs WHERE id = ?", (run_id,)).fetchone()  # noqa: S608
    if row is None:
        raise RunNotFound(run_id)
    return run_of(row)


def find_key(connection: sqlite3.Connection, key: Key) -> tuple[str, str] | None:
    """Return the (fingerprint, run id) that a key names."""
    sql = "SELECT fingerprint, id FROM runs INDEXED BY runs_by_key WHERE key = ? AND key_scope = ?"
    found: tuple[str, str] | None = connection.execute(sql, (key.key, key.scope)).fetchone()
    return found


def running(connection: sqlite3.Connection) -> list[Run]:
    """Return the running runs with their input, oldest first."""
    sql = f"SELECT {FULL} FROM runs INDEXED BY runs_running WHERE status = 'running' ORDER BY seq"  # noqa: S608
    return [run_of(row) for row in connection.execute(sql)]


def next_due(connection: sqlite3.Connection, at: int) -> int | None:
    """Return the first time after `at` at which a queued run is due."""
    sql = "SELECT min(due_at) FROM runs INDEXED BY runs_due WHERE status = 'queued' AND due_at > ?"
    due: int | None = connection.execute(sql, (at,)).fetchone()[0]
    return due


def queued_agents(connection: sqlite3.Connection) -> set[str]:
    """Return the agents that have queued runs."""
    sql = "SELECT agent FROM counts WHERE status = 'queued' AND n > 0"
    return {agent for (agent,) in connection.execute(sql)}


def totals(connection: sqlite3.Connection) -> dict[str, dict[Status, int]]:
    """Return how many runs each agent has by status, from the kept counters."""
    found: dict[str, dict[Status, int]] = {}
    for agent, status, n in connection.execute("SELECT agent, status, n FROM counts WHERE n > 0"):
        of_agent = found.setdefault(agent, {})
        of_agent[Status(status)] = of_agent.get(Status(status), 0) + n
    return found


def queued(connection: sqlite3.Connection) -> int:
    """Return how many runs are queued."""
    sql = "SELECT coalesce(sum(n), 0) FROM counts WHERE status = 'queued'"
    return int(connection.execute(sql).fetchone()[0])


def knows_version(connection: sqlite3.Connection, digest: str) -> bool:
    """Say whether an agent's version is kept."""
    return connection.execute("SELECT 1 FROM versions WHERE digest = ?", (digest,)).fetchone() is not None


def version(connection: sqlite3.Connection, digest: str) -> StoredVersion:
    """Return an agent's entry as it was. Raises NotFound."""
    sql = "SELECT digest, agent, number, definition, seen_at FROM versions WHERE digest = ?"
    row = connection.execute(sql, (digest,)).fetchone()
    if row is None:
        raise NotFound(f"there is no agent version {digest}")
    return StoredVersion(row[0], row[1], row[2], json.loads(row[3]), row[4])


def deliveries(connection: sqlite3.Connection, run_id: str) -> list[StoredDelivery]:
    """Return a run's deliveries, oldest first."""
    return [StoredDelivery(*row) for row in connection.execute(_DELIVERIES, (run_id,))]


def find(connection: sqlite3.Connection, wanted: Find) -> Page:
    """Return a page of runs, newest first, and the total of what is wanted."""
    if not _statuses(wanted):
        return Page([], 0)
    runs = [run_of(row) for row in connection.execute(*page_query(wanted))]
    return Page(sorted(runs, key=lambda run: -run.seq), _total(connection, wanted))


def page_query(wanted: Find) -> tuple[str, list[Any]]:
    """Return the statement that reads a page: the legs, merged in order, each reading one index backwards.

    A leg has one mode and one status, so an index gives it in order: no sort, no scan, whatever is wanted.
    """
    legs = list(product(_modes(wanted), _statuses(wanted)))
    index, conditions, values = _narrowed(wanted)
    leg = f"SELECT seq FROM runs INDEXED BY {index} WHERE mode = ? AND status = ? AND seq < ?{conditions}"  # noqa: S608
    picked = f"{' UNION ALL '.join([leg] * len(legs))} ORDER BY seq DESC LIMIT ? OFFSET ?"
    older_than = _NEWEST if wanted.after_seq is None else wanted.after_seq
    bound = [value for mode, status in legs for value in (mode.value, status.value, older_than, *values)]
    bound += [wanted.page_size, (wanted.page - 1) * wanted.page_size]
    return f"SELECT {COLUMNS} FROM runs WHERE seq IN ({picked})", bound  # noqa: S608


def _narrowed(wanted: Find) -> tuple[str, str, list[str]]:
    """Return the index, the further conditions and their values."""
    named = {"session_id": wanted.session_id, "agent": wanted.agent}
    given = {name: value for name, value in named.items() if value is not None}
    index = {"session_id": "runs_by_session", "agent": "runs_by_agent"}.get(
        next(iter(given), ""), "runs_by_status"
    )
    return index, "".join(f" AND {name} = ?" for name in given), list(given.values())


def _total(connection: sqlite3.Connection, wanted: Find) -> int:
    modes, statuses = _modes(wanted), _statuses(wanted)
    _, conditions, values = _narrowed(wanted)
    counted = (
        "sum(n) FROM counts" if wanted.session_id is None else "count(*) FROM runs INDEXED BY runs_by_session"
    )
    sql = f"SELECT {counted} WHERE mode IN ({_marks(modes)}) AND status IN ({_marks(statuses)}){conditions}"
    bound = [*(mode.value for mode in modes), *(status.value for status in statuses), *values]
    return int(connection.execute(sql, bound).fetchone()[0] or 0)


def _modes(wanted: Find) -> list[Mode]:
    return list(Mode) if wanted.mode is None else [wanted.mode]


def _statuses(wanted: Find) -> list[Status]:
    return [status for status in Status if wanted.status is None or status in wanted.status]


def _marks(values: list[Any]) -> str:
    return ", ".join("?" * len(values))
