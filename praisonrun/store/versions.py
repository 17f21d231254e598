"""The agents' entries that runs were submitted with: each once, numbered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..core.agent import Agent
from ..core.errors import NotFound, Unavailable, Unreadable
from .rows import dump
from .types import StoredVersion

_COLUMNS = "digest, agent, number, definition, seen_at, installed_at"
_SEE = (
    "INSERT INTO versions (digest, agent, number, definition, seen_at) "
    "SELECT :digest, :agent, 1 + coalesce(max(number), 0), :definition, :at "
    "FROM versions WHERE agent = :agent "
    "ON CONFLICT (digest) DO NOTHING"
)


def see(connection: sqlite3.Connection, agent: Agent, digest: str, at: int) -> None:
    """Store an agent's entry, numbered, unless it is known."""
    if connection.execute("SELECT 1 FROM versions WHERE digest = ?", (digest,)).fetchone() is None:
        definition = dump(agent.definition())
        named = {"digest": digest, "agent": agent.name, "definition": definition, "at": at}
        connection.execute(_SEE, named)


def mark_installed(connection: sqlite3.Connection, digest: str, at: int) -> None:
    """Note when an entry's install command first succeeded."""
    sql = "UPDATE versions SET installed_at = ? WHERE digest = ? AND installed_at IS NULL"
    connection.execute(sql, (at, digest))


def get(connection: sqlite3.Connection, digest: str) -> StoredVersion:
    """Return an entry by its digest. Raises NotFound, Unavailable for a damaged one."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM versions WHERE digest = ?", (digest,)).fetchone()  # noqa: S608
    if row is None:
        raise NotFound(f"there is no agent version {digest}")
    return _of(row)


def of_agent(connection: sqlite3.Connection, agent: str) -> list[StoredVersion]:
    """Return all entries that an agent had, the latest first; without damaged ones."""
    sql = f"SELECT {_COLUMNS} FROM versions WHERE agent = ? ORDER BY number DESC"  # noqa: S608
    found = []
    for row in connection.execute(sql, (agent,)):
        with suppress(Unavailable):
            found.append(_of(row))
    return found


def concurrency(connection: sqlite3.Connection, agent: str) -> int | None:
    """Return how many runs the latest entry of an agent allows at once, None for no limit of its own."""
    sql = "SELECT definition FROM versions WHERE agent = ? ORDER BY number DESC LIMIT 1"
    row = connection.execute(sql, (agent,)).fetchone()
    try:
        limit = json.loads(row[0]).get("concurrency") if row else None
    except ValueError:  # a damaged row costs its own runs, not the claim of others
        return None
    return limit if isinstance(limit, int) else None


def agents_seen(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return when the first and the latest entry of each agent was seen."""
    sql = "SELECT agent, min(seen_at), max(seen_at) FROM versions GROUP BY agent"
    return {name: (first, latest) for name, first, latest in connection.execute(sql)}


def _of(row: Sequence[Any]) -> StoredVersion:
    try:
        definition = json.loads(row[3])
    except (ValueError, RecursionError) as error:
        raise Unreadable(row[0], row[1], error) from None
    return StoredVersion(row[0], row[1], row[2], definition, row[4], row[5])
