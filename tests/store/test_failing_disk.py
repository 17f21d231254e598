"""A disk that fails under the store: what is undone, what is unknown, and how each is told."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.errors import DiskFull, Unavailable
from praisonrun.core.model import Run
from praisonrun.store import Find, Store
from praisonrun.store.group_commit import GroupCommit

pytestmark = pytest.mark.scorecard(11)


async def add(store: Store, name: str) -> None:
    await store.add(Run(name, "hello", "v", 1, 1, 1), key=None, queue_limit=100)


def failing_commit(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Have every COMMIT fail as SQLite would say it."""

    def execute(self: GroupCommit, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.begin == "BEGIN IMMEDIATE":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = code
            raise error
        return sqlite3.Connection.execute(self, sql, values)

    monkeypatch.setattr(GroupCommit, "execute", execute)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMMAP])
async def test_a_commit_whose_write_fails_is_undone_and_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    failing_commit(monkeypatch, code)
    with pytest.raises(Unavailable, match="the store failed"):
        await add(store, "run_1")
    monkeypatch.undo()
    await add(store, "run_2")
    assert [run.id for run in (await store.find(Find())).runs] == ["run_2"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC])
async def test_a_commit_whose_fsync_fails_is_the_last(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    failing_commit(monkeypatch, code)
    with pytest.raises(Unavailable, match="the store failed"):
        await add(store, "run_1")
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="restart the server"):
        await add(store, "run_2")
    assert (await store.find(Find())).total == 0


@pytest.mark.parametrize("fails", [1, 2])
async def test_a_file_that_cannot_be_read_is_the_stores_trouble(
    store: Store, tmp_path: Path, fails: int
) -> None:
    """SQLite calls a read that failed "malformed", too: it is tried again before it stops the store."""
    (tmp_path / "damaged").write_bytes(b"x" * 8192)
    tries = iter(range(2))

    def read(_: sqlite3.Connection) -> None:
        if next(tries) < fails:
            with closing(sqlite3.connect(tmp_path / "damaged")) as damaged:
                damaged.execute("SELECT * FROM runs")

    if fails == 1:
        await store._reader.run(read)
        await add(store, "run_1")
        return
    with pytest.raises(Unavailable, match="the store failed"):
        await store._reader.run(read)
    with pytest.raises(Unavailable, match="is damaged"):
        await add(store, "run_1")


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, Unavailable), (errno.ENOSPC, DiskFull)])
async def test_a_failed_look_at_the_files_costs_what_asked_for_it_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    await add(store, "run_1")
    assert await store.problems() == []

    def pread(*_: object) -> bytes:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("praisonrun.store.open_files.os.pread", pread)
    with pytest.raises(kind, match="the store failed"):
        await store.find(Find())
    assert "cannot be read" in " ".join(await store.problems())
    with pytest.raises(Unavailable, match="cannot be read"):
        await add(store, "run_2")
    monkeypatch.undo()
    assert await store.problems() == []
    await add(store, "run_2")
    assert [run.id for run in (await store.find(Find())).runs] == ["run_2", "run_1"]
