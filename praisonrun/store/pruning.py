"""What retention asks of the store: what is old, what may go, what is still known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import suppress

from ..core.errors import NotFound, WrongState
from ..core.model import Run
from . import writes
from .connection import Line
from .rows import COLUMNS, run_of

# Not those of which somebody is still to be told.
_OWING = "SELECT 1 FROM deliveries WHERE run_seq = runs.seq AND state = 'pending'"
_OLDEST = f"SELECT {COLUMNS} FROM runs WHERE seq > ? AND NOT EXISTS ({_OWING}) ORDER BY seq LIMIT ?"  # noqa: S608
_KNOWN = "SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(?))"
_SCRATCHES = "SELECT id FROM runs WHERE scratch_until <= ? ORDER BY scratch_until LIMIT ?"


class Shelf:
    """The part of the store that retention works with."""

    def __init__(self, writer: Line, reader: Line) -> None:
        self._writer, self._reader = writer, reader

    async def oldest(self, after_seq: int, limit: int) -> list[Run]:
        """Return the next runs after a seq, oldest first, without prompt and input."""
        return await self._reader.run(lambda db: _oldest(db, after_seq, limit))

    async def scratches(self, at: int, limit: int) -> list[str]:
        """Return runs whose scratch directory has been kept for long enough."""
        return await self._reader.run(lambda db: [row[0] for row in db.execute(_SCRATCHES, (at, limit))])

    async def forget_scratch(self, run_ids: Collection[str]) -> None:
        """Note that the scratch directories of these runs are gone."""
        marks = ", ".join("?" * len(run_ids))
        sql = f"UPDATE runs SET scratch_until = NULL WHERE id IN ({marks})"  # noqa: S608
        await self._writer.run(lambda db: db.execute(sql, list(run_ids)).close())

    async def prune(self, run_ids: Iterable[str]) -> None:
        """Delete runs with their keys and deliveries, in one transaction; never one that is not final."""
        await self._writer.run(lambda db: _prune(db, run_ids))

    async def known(self, run_ids: Collection[str]) -> set[str]:
        """Return those of these ids that name a run."""
        wanted = (json.dumps(list(run_ids)),)
        return await self._reader.run(lambda db: {row[0] for row in db.execute(_KNOWN, wanted)})


def _oldest(connection: sqlite3.Connection, after_seq: int, limit: int) -> list[Run]:
    return [run_of(row) for row in connection.execute(_OLDEST, (after_seq, limit))]


def _prune(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        with suppress(NotFound, WrongState):  # deleted meanwhile, or a service that was restarted
            writes.delete(connection, run_id)
