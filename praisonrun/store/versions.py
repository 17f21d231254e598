"""The agents' entries that runs were submitted with: each once, numbered."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from sqlite3 import Connection
from typing import Any

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
_CREW = re.compile(r'"source_sha256": ?"([0-9a-f]{64})"')


def see(db: Connection, agent: Agent, digest: str, at: int) -> None:
    """Store an agent's entry, numbered, unless it is known."""
    if db.execute("SELECT 1 FROM versions WHERE digest = ?", (digest,)).fetchone() is None:
        definition = dump(agent.definition())
        named = {"digest": digest, "agent": agent.name, "definition": definition, "at": at}
        db.execute(_SEE, named)


def mark_installed(db: Connection, digest: str, at: int) -> None:
    """Note when an entry's install command first succeeded."""
    sql = "UPDATE versions SET installed_at = ? WHERE digest = ? AND installed_at IS NULL"
    db.execute(sql, (at, digest))


def get(db: Connection, digest: str) -> StoredVersion:
    """Return an entry by its digest. Raises NotFound, Unavailable for a damaged one."""
    row = db.execute(f"SELECT {_COLUMNS} FROM versions WHERE digest = ?", (digest,)).fetchone()  # noqa: S608
    if row is None:
        raise NotFound(f"there is no agent version {digest}")
    return _of(row)


def of_agent(db: Connection, agent: str) -> list[StoredVersion]:
    """Return all entries that an agent had, the latest first; without damaged ones."""
    sql = f"SELECT {_COLUMNS} FROM versions WHERE agent = ? ORDER BY number DESC"  # noqa: S608
    found = []
    for row in db.execute(sql, (agent,)):
        with suppress(Unavailable):
            found.append(_of(row))
    return found


def concurrency(db: Connection, agent: str) -> int | None:
    """Return how many runs the latest entry of an agent allows at once, None for no limit of its own."""
    sql = "SELECT definition FROM versions WHERE agent = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(sql, (agent,)).fetchone()
    try:
        limit = json.loads(row[0]).get("concurrency") if row else None
    except ValueError:  # a damaged row costs its own runs, not the claim of others
        return None
    return limit if isinstance(limit, int) else None


def agents_seen(db: Connection) -> dict[str, tuple[int, int]]:
    """Return when the first and the latest entry of each agent was seen."""
    sql = "SELECT agent, min(seen_at), max(seen_at) FROM versions GROUP BY agent"
    return {name: (first, latest) for name, first, latest in db.execute(sql)}


def old(db: Connection, after: str, before: int, limit: int) -> list[tuple[str, str, bool]]:
    """Return the (digest, agent, is its latest) of the next versions that were first seen before a time."""
    return db.execute(_OLD, (after, before, limit)).fetchall()


def of_runs(db: Connection, after_seq: int, limit: int) -> list[tuple[int, str]]:
    """Return the (seq, version) of the next runs after a seq."""
    sql = "SELECT seq, version FROM runs WHERE seq > ? ORDER BY seq LIMIT ?"
    return db.execute(sql, (after_seq, limit)).fetchall()


def crews(db: Connection, after: str, limit: int) -> list[tuple[str, str | None]]:
    """Return the next versions after a digest, each with the digest of its crew file or None."""
    sql = "SELECT digest, definition FROM versions WHERE digest > ? ORDER BY digest LIMIT ?"
    found = ((digest, _CREW.search(text)) for digest, text in db.execute(sql, (after, limit)))
    return [(digest, crew and crew[1]) for digest, crew in found]


def delete(db: Connection, digests: Collection[str]) -> None:
    """Delete versions of agents. The caller knows that no run names them."""
    db.execute(f"DELETE FROM versions WHERE digest {GIVEN}", (json.dumps(list(digests)),))  # noqa: S608


def _of(row: Sequence[Any]) -> StoredVersion:
    try:
        definition = json.loads(row[3])
    except (ValueError, RecursionError) as error:
        raise Unreadable(row[0], row[1], error) from None
    return StoredVersion(row[0], row[1], row[2], definition, row[4], row[5])
