"""What retention asks of the store: which runs are old, which are known, and which may go."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress

from ..core.errors import NotFound, WrongState
from ..core.model import Run
from . import writes
from .rows import COLUMNS, run_of

# Not the runs whose webhook is still owed.
_OWING = "SELECT 1 FROM deliveries WHERE run_seq = runs.seq AND state = 'pending'"
_OLDEST = f"SELECT {COLUMNS} FROM runs WHERE seq > ? AND NOT EXISTS ({_OWING}) ORDER BY seq LIMIT ?"  # noqa: S608
_KNOWN = "SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(?))"
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


def prune(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Delete runs with their keys and deliveries; never one that is not final."""
    for run_id in run_ids:
        with suppress(NotFound, WrongState):  # deleted meanwhile, or a service that was restarted
            writes.delete(connection, run_id)
