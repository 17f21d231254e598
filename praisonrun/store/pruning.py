"""What retention asks of the store: which runs are old, which are known, and which may go."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from ..core.errors import NotFound, WrongState
from ..core.model import Run
from . import writes
from .rows import COLUMNS, run_of

# Not the runs whose webhook is still owed.
_OWING = "SELECT 1 FROM deliveries WHERE run_seq = runs.seq AND state = 'pending'"
_OLDEST = f"SELECT {COLUMNS} FROM runs WHERE seq > ? AND NOT EXISTS ({_OWING}) ORDER BY seq LIMIT ?"  # noqa: S608
_KNOWN = "SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(?))"
# A row without prompt and input takes about a KiB.
_SIZES = (
    "SELECT id, 1024 + length(CAST(prompt AS BLOB)) + coalesce(length(CAST(input AS BLOB)), 0) "
    "FROM runs WHERE id IN (SELECT value FROM json_each(?))"
)
_OLD_VERSIONS = (
    "SELECT digest, agent, number = (SELECT max(number) FROM versions of WHERE of.agent = versions.agent) "
    "FROM versions WHERE digest > ? AND seen_at < ? ORDER BY digest LIMIT ?"
)
_DELETE_VERSIONS = "DELETE FROM versions WHERE digest IN (SELECT value FROM json_each(?))"
_CREW = re.compile(r'"source_sha256":"([0-9a-f]{64})"')
_SCRATCHES = "SELECT id FROM runs WHERE scratch_until <= ? ORDER BY scratch_until LIMIT ?"


def oldest(connection: sqlite3.Connection, after_seq: int, limit: int) -> list[Run]:
    """Return the next runs after a seq, oldest first, without prompt and input."""
    return [run_of(row) for row in connection.execute(_OLDEST, (after_seq, limit))]


def known(connection: sqlite3.Connection, run_ids: Collection[str]) -> set[str]:
    """Return those of these ids that name a run."""
    return {run_id for (run_id,) in connection.execute(_KNOWN, (json.dumps(list(run_ids)),))}


def expired_scratches(connection: sqlite3.Connection, at: int, limit: int) -> list[str]:
    """Return runs whose scratch directory is to be kept no longer than until `at`."""
    return [run_id for (run_id,) in connection.execute(_SCRATCHES, (at, limit))]


def forget_scratches(connection: sqlite3.Connection, run_ids: Collection[str]) -> None:
    """Note that the scratch directories of these runs are gone."""
    marks = ", ".join("?" * len(run_ids))
    connection.execute(f"UPDATE runs SET scratch_until = NULL WHERE id IN ({marks})", list(run_ids))  # noqa: S608


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the database file that are in use; what was freed is used again."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def stored_sizes(connection: sqlite3.Connection, run_ids: Collection[str]) -> dict[str, int]:
    """Return about how many bytes the rows of some runs take, by id."""
    return dict(connection.execute(_SIZES, (json.dumps(list(run_ids)),)).fetchall())


class OldVersion(NamedTuple):
    """A stored version of an agent."""

    digest: str
    agent: str
    latest: bool
    """Whether it is the latest of its agent."""


def old_versions(connection: sqlite3.Connection, after: str, before: int, limit: int) -> list[OldVersion]:
    """Return the next versions after a digest that were first seen before a time."""
    rows = connection.execute(_OLD_VERSIONS, (after, before, limit))
    return [OldVersion(digest, agent, bool(latest)) for digest, agent, latest in rows]


def versions_of_runs(connection: sqlite3.Connection, after_seq: int, limit: int) -> list[tuple[int, str]]:
    """Return the (seq, version) of the next runs after a seq."""
    sql = "SELECT seq, version FROM runs WHERE seq > ? ORDER BY seq LIMIT ?"
    return connection.execute(sql, (after_seq, limit)).fetchall()


def crews_of_versions(connection: sqlite3.Connection, after: str, limit: int) -> list[tuple[str, str | None]]:
    """Return the next versions after a digest, each with the digest of its crew file or None."""
    sql = "SELECT digest, definition FROM versions WHERE digest > ? ORDER BY digest LIMIT ?"
    found = ((digest, _CREW.search(text)) for digest, text in connection.execute(sql, (after, limit)))
    return [(digest, crew and crew[1]) for digest, crew in found]


def delete_versions(connection: sqlite3.Connection, digests: Collection[str]) -> None:
    """Delete versions of agents. The caller knows that no run names them."""
    connection.execute(_DELETE_VERSIONS, (json.dumps(list(digests)),))


def prune(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Delete runs with their keys and deliveries; never one that is not final."""
    for run_id in run_ids:
        with suppress(NotFound, WrongState):  # deleted meanwhile, or a service that was restarted
            writes.delete(connection, run_id)
