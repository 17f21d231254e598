"""The agents' entries as runs met them: each once, numbered, kept for ever."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ..core.errors import NotFound
from ..core.model import Agent
from .rows import dump
from .types import StoredVersion

_COLUMNS = "digest, agent, number, definition, seen_at, installed_at"
_SEE = (
    "INSERT INTO versions (digest, agent, number, definition, seen_at) "
    "SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?4 FROM versions WHERE agent = ?2 "
    "ON CONFLICT (digest) DO NOTHING"
)


def see(connection: sqlite3.Connection, agent: Agent, digest: str, at: int) -> None:
    """Keep an agent's entry, numbered, unless it is known."""
    if connection.execute("SELECT 1 FROM versions WHERE digest = ?", (digest,)).fetchone() is None:
        connection.execute(_SEE, (digest, agent.name, dump(agent.definition()), at))


def mark_installed(connection: sqlite3.Connection, digest: str, at: int) -> None:
    """Note that an entry's install command ran well, unless it did before."""
    sql = "UPDATE versions SET installed_at = ? WHERE digest = ? AND installed_at IS NULL"
    connection.execute(sql, (at, digest))


def get(connection: sqlite3.Connection, digest: str) -> StoredVersion:
    """Return an entry as it was. Raises NotFound."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM versions WHERE digest = ?", (digest,)).fetchone()  # noqa: S608
    if row is None:
        raise NotFound(f"there is no agent version {digest}")
    return _of(row)


def of_agent(connection: sqlite3.Connection, agent: str) -> list[StoredVersion]:
    """Return every entry that an agent had, the latest first."""
    sql = f"SELECT {_COLUMNS} FROM versions WHERE agent = ? ORDER BY number DESC"  # noqa: S608
    return [_of(row) for row in connection.execute(sql, (agent,))]


def agents(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Return when the first and the latest entry of each agent was seen."""
    sql = "SELECT agent, min(seen_at), max(seen_at) FROM versions GROUP BY agent"
    return {name: (first, latest) for name, first, latest in connection.execute(sql)}


def _of(row: Sequence[Any]) -> StoredVersion:
    return StoredVersion(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5])
