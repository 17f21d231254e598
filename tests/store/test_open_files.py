"""What is removed, moved, replaced or cut short under an open store: nothing more is written into it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from praisonrun.config.discovery import LOCK
from praisonrun.core import lifecycle
from praisonrun.core.errors import ConfigError, DiskFull, Unavailable
from praisonrun.core.model import Run
from praisonrun.store import Find, Store
from praisonrun.store.group_commit import GroupCommit
from praisonrun.store.open_files import DATABASE, RUNS, SHM, WAL, OpenFiles


async def add(store: Store, name: str) -> None:
    await store.add(Run(name, "hello", "v", 1, 1, 1), key=None, queue_limit=100)


def do(tmp_path: Path, command: str, folder: str = "state") -> None:
    subprocess.run(["sh", "-ec", command], cwd=tmp_path / folder, check=True)


FOR_GOOD = [
    "rm praisonrun.db*",
    "rm praisonrun.db",
    "rm praisonrun.db-wal",
    "rm server.lock",
    "rmdir runs",
    "rm -r ../state",
    "cp praisonrun.db new; mv new praisonrun.db",
    "cp praisonrun.db-wal new; mv new praisonrun.db-wal",
    "rm server.lock; touch server.lock",
    "rmdir runs; mkdir -m 700 runs",
    "rm -r ../state; mkdir -m 700 ../state",
    ": > praisonrun.db-wal",
    ": > praisonrun.db; : > praisonrun.db-wal",
]
PASSING = {
    "mv ../state ../away": "cd ..; mv away state",
    "chmod 000 .": "chmod 700 .",
    **{f"mv {name} away": f"mv away {name}" for name in (DATABASE, WAL, SHM, LOCK, RUNS)},
}


@pytest.fixture
async def opened(store: Store, tmp_path: Path) -> Store:
    """A store with a run, and with the directory of the runs' files."""
    (tmp_path / "state" / RUNS).mkdir(0o700)
    await add(store, "run_1")
    assert await store.problems() == []
    return store


@pytest.mark.parametrize("how", FOR_GOOD)
async def test_nothing_is_acknowledged_into_files_without_a_name(
    opened: Store, tmp_path: Path, how: str
) -> None:
    do(tmp_path, how)
    for write in (add(opened, "run_2"), opened.claim(9, 9, "boot", lambda *_: True)):
        with pytest.raises(Unavailable, match=r"state.* was .*; /health says what to do"):
            await write
    with pytest.raises(Unavailable):
        opened.check()
    (problem,) = await opened.problems()
    assert str(tmp_path / "state") in problem
    assert f"kill {os.getpid()}" in problem or RUNS in problem
    if ":" not in how:
        assert [run.id for run in (await opened.find(Find())).runs] == ["run_1"]


@pytest.mark.parametrize("how", PASSING)
async def test_what_heals_is_noticed(opened: Store, tmp_path: Path, how: str) -> None:
    do(tmp_path, how)
    with pytest.raises(Unavailable, match="/health says what to do"):
        await add(opened, "run_2")
    assert len(await opened.problems()) == 1
    do(tmp_path, PASSING[how], "away" if "../away" in how else "state")
    await add(opened, "run_3")
    assert await opened.problems() == []
    assert [run.id for run in (await opened.find(Find())).runs] == ["run_3", "run_1"]


@pytest.mark.parametrize("name", [DATABASE, WAL, RUNS, LOCK])
async def test_a_file_without_its_mode_shows_at_the_next_look(
    opened: Store, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "state" / name
    path.chmod(0)
    right = 700 if name == RUNS else 600
    assert await opened.problems() == [f"{path} has the mode 000: chmod {right} {path}"]
    with pytest.raises(Unavailable):
        await add(opened, "run_2")
    path.chmod(int(str(right), 8))
    await add(opened, "run_2")


async def test_a_wal_that_was_cut_short_is_not_copied_into_the_database(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with Store.open(state) as store:
        await add(store, "run_1")
        await store._writer.checkpoint()
        await add(store, "run_2")
        do(tmp_path, ": > praisonrun.db-wal")
    with closing(sqlite3.connect(state / DATABASE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT id FROM runs").fetchall() == [("run_1",)]


def test_a_first_look_that_stops_early_knows_of_no_cut(tmp_path: Path) -> None:
    """Else the KeyError hides why the server cannot start."""
    (tmp_path / "praisonrun.db").touch(0o400)
    files = OpenFiles(tmp_path)
    with files.held():
        assert files.look()
        assert (files.torn, files.cut_index()) == ("", "")


async def test_a_shm_that_was_cut_short_kills_nobody(opened: Store, tmp_path: Path) -> None:
    do(tmp_path, ": > praisonrun.db-shm")
    for ask in (add(opened, "run_2"), opened.find(Find()), opened._writer.checkpoint()):
        with pytest.raises(Unavailable, match="shm was cut short"):
            await ask
    (problem,) = await opened.problems()
    assert problem.endswith("start the server again")


async def test_a_store_whose_wal_was_removed_saves_it_when_it_closes(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "state") as store:
        await add(store, "run_1")
        do(tmp_path, "rm praisonrun.db-wal praisonrun.db-shm")
    async with Store.open(tmp_path / "state") as store:
        assert (await store.get("run_1")).id == "run_1"


async def test_rows_that_were_lost_with_the_wal_are_missed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with Store.open(state) as store:
        await add(store, "run_1")
        (state / RUNS).mkdir(0o700)
        (state / RUNS / "run_1.journal").touch()
        do(tmp_path, ": > praisonrun.db-wal")
    with pytest.raises(ConfigError, match=r"knows no run, but the files of 1 run are in"):
        async with Store.open(state):
            pass


async def test_a_second_server_does_not_start_where_the_lock_was_removed(
    opened: Store, tmp_path: Path
) -> None:
    (tmp_path / "state" / LOCK).unlink()
    (tmp_path / "state" / "server.json").write_text('{"pid": 77}')
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"in use by another server \(pid 77\); stop it with `kill 77`"):
            async with Store.open(tmp_path / "state"):
                pass


async def test_a_vacuum_by_hand_cuts_nothing_short(opened: Store, tmp_path: Path) -> None:
    for number in range(50):
        big = Run(f"run_big{number}", "a", "v", 1, 1, 1, prompt="x" * 10_000)
        await opened.add(big, key=None, queue_limit=100)
        await opened.change(big.id, lambda run: lifecycle.cancel(run, 2))
    await opened._writer.checkpoint()
    assert await opened.problems() == []
    await opened.prune([f"run_big{number}" for number in range(50)])
    before = opened.sizes().db_bytes
    with closing(sqlite3.connect(tmp_path / "state" / DATABASE)) as by_hand:
        by_hand.execute("VACUUM")
        by_hand.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert opened.sizes().db_bytes < before
    assert await opened.problems() == []
    await add(opened, "run_2")


async def test_a_damaged_page_stops_all_writes_and_shows(opened: Store, tmp_path: Path) -> None:
    for number in range(50):
        await add(opened, f"run_x{number}")
    await opened._writer.checkpoint()
    path = tmp_path / "state" / DATABASE
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    await add(opened, "run_2")  # the writer has its pages; the reader must read its own again
    with pytest.raises(Unavailable, match="malformed"):
        await opened.find(Find())
    with pytest.raises(Unavailable, match=f"{DATABASE} is damaged"):
        await add(opened, "run_3")
    (problem,) = await opened.problems()
    assert "sqlite3" in problem
    assert ".recover" in problem


async def test_a_write_that_failed_shows_until_one_succeeds(
    opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: GroupCommit, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.begin == "BEGIN IMMEDIATE":
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return sqlite3.Connection.execute(self, sql, values)

    monkeypatch.setattr(GroupCommit, "execute", failing)
    with pytest.raises(DiskFull):
        await add(opened, "run_2")
    (problem,) = await opened.problems()
    assert problem == "the store cannot grow: database or disk is full; free some space"
    monkeypatch.undo()
    assert await opened.problems() == []
    await add(opened, "run_2")


async def test_a_store_without_memory_says_so(opened: Store) -> None:
    def greedy(_: sqlite3.Connection) -> None:
        raise MemoryError

    with pytest.raises(Unavailable, match="out of memory"):
        await opened._writer.run(greedy)
    await add(opened, "run_2")
