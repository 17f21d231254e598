"""The agents' entries that runs were submitted with: each once, numbered."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..core.agent import Agent
from ..core.errors import NotFound, Unavailable, Unreadable
from .reads import GIVEN
from .rows import dump
from .types import StoredVersion

_COLUMNS = "digest, agent, number, definition, seen_at, installed_at"
_SEE = (
    "INSERT INTO versions (digest, agent, number, definition, seen_at) "
    "SELECT :digest, :agent, 1 + coalesce(max(number), 0), :definition, :at "
    "FROM versions WHERE agent = :agent "
    "ON CONFLICT (digest) DO NOTHING"
)
_OLD = (
    "SELECT digest, agent, number = (SELECT max(number) FROM versions of WHERE of.agent = versions.agent) "
    "FROM versions WHERE digest > ? AND seen_at < ? ORDER BY digest LIMIT ?"
)
_CREW = re.compile(r'"source_sha256":"([0-9a-f]{64})"')


class OldVersion(NamedTuple):
    """A stored version of an agent."""

    digest: str
    agent: str
    latest: bool
    """Whether it is the latest of its agent."""


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


def old(connection: sqlite3.Connection, after: str, before: int, limit: int) -> list[OldVersion]:
    """Return the next versions after a digest that were first seen before a time."""
    rows = connection.execute(_OLD, (after, before, limit))
    return [OldVersion(digest, agent, bool(latest)) for digest, agent, latest in rows]


def of_runs(connection: sqlite3.Connection, after_seq: int, limit: int) -> list[tuple[int, str]]:
    """Return the (seq, version) of the next runs after a seq."""
    sql = "SELECT seq, version FROM runs WHERE seq > ? ORDER BY seq LIMIT ?"
    return connection.execute(sql, (after_seq, limit)).fetchall()


def crews(connection: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, str | None]]:
    """Return the next versions after a digest, each with the digest of its crew file or None."""
    sql = "SELECT digest, definition FROM versions WHERE digest > ? ORDER BY digest LIMIT ?"
    found = ((digest, _CREW.search(text)) for digest, text in connection.execute(sql, (after, limit)))
    return [(digest, crew and crew[1]) for digest, crew in found]


def delete(connection: sqlite3.Connection, digests: Collection[str]) -> None:
    """Delete versions of agents. The caller knows that no run names them."""
    connection.execute(f"DELETE FROM versions WHERE digest {GIVEN}", (json.dumps(list(digests)),))  # noqa: S608


def _of(row: Sequence[Any]) -> StoredVersion:
    try:
        definition = json.loads(row[3])
    except (ValueError, RecursionError) as error:
        raise Unreadable(row[0], row[1], error) from None
    return StoredVersion(row[0], row[1], row[2], definition, row[4], row[5])
