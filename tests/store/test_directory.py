"""The store's files: private, held by one server, migrated, honest about damage, complete after kill -9."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from praisonrun.config.discovery import LOCK
from praisonrun.core.errors import ConfigError, Unavailable
from praisonrun.core.model import Run
from praisonrun.store import Find, Store, database, directory


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "a ?#% place" / "state"


@pytest.fixture
def made(place: Path) -> Path:
    place.mkdir(parents=True, mode=0o700)
    return place


@pytest.fixture
def probed(made: Path) -> Iterator[int]:
    """A lock that a command shares, to learn whether a server holds it."""
    probe = os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(probe, fcntl.LOCK_SH)
    yield probe
    with contextlib.suppress(OSError):
        os.close(probe)


def test_a_command_that_looks_does_not_keep_a_server_from_starting(
    made: Path, probed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []

    def passing(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            os.close(probed)

    monkeypatch.setattr("praisonrun.store.directory.time.sleep", passing)
    with directory.hold(made):
        pass
    assert len(pauses) == 3


@pytest.mark.usefixtures("probed")
def test_a_command_that_never_lets_go_is_not_waited_for_for_ever(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praisonrun.store.directory.time.sleep", lambda _: None)
    with pytest.raises(ConfigError, match="in use"), directory.hold(made):
        pass


def modes(place: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in [place, *place.iterdir()]}


async def refusal(place: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        async with Store.open(place):
            pass
    return refused.value.message


async def add(store: Store, name: str) -> None:
    await store.add(Run(name, "hello", "v", 1, 1, 1), key=None, queue_limit=1000)


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "fullfsync": 1,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
}


@pytest.mark.scorecard(29)
async def test_everything_is_private_and_set_up(place: Path) -> None:
    def pragmas(db: sqlite3.Connection) -> dict[str, Any]:
        return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}

    async with Store.open(place) as store:
        await add(store, "run_1")
        found, sizes = modes(place), store.sizes()
        assert await store._writer.run(pragmas) == PRAGMAS
    files = ("praisonrun.db", "praisonrun.db-wal", "praisonrun.db-shm", "server.lock")
    assert found == {place.name: 0o700, **dict.fromkeys(files, 0o600)}
    assert sizes.db_bytes > 0
    assert sizes.wal_bytes > 0
    assert (sizes.schema, sizes.sqlite) == (2, sqlite3.sqlite_version)


async def test_the_reader_cannot_write(place: Path) -> None:
    async with Store.open(place) as store:
        with pytest.raises(Unavailable, match="readonly"):
            await store._reader.run(lambda db: db.execute("DELETE FROM runs"))


async def test_a_directory_that_others_can_read_is_refused(made: Path) -> None:
    os.chmod(made, 0o750)
    assert f"chmod 700 {made}" in await refusal(made)


async def test_a_directory_of_another_user_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "another user" in await refusal(made)


async def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot use" in await refusal(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "says"),
    [(LOCK, "is a directory; choose another with --state DIR"), (directory.DATABASE, "is a directory")],
)
async def test_a_file_that_cannot_be_opened_is_one_line(made: Path, name: str, says: str) -> None:
    """Its neighbour of another user, or on a file system that became read-only, fails there, too."""
    (made / name).mkdir()
    with pytest.raises(ConfigError, match=f"{says}$"), directory.hold(made):
        pass


async def test_a_second_server_is_refused_until_the_first_has_gone(place: Path) -> None:
    async with Store.open(place) as store:
        assert f"in use by another server (pid {os.getpid()})" in await refusal(place)
        assert "--state DIR" in await refusal(place)
        await add(store, "run_1")
    async with Store.open(place) as store:
        assert (await store.get("run_1")).id == "run_1"


@pytest.fixture
def spawn() -> Iterator[Callable[[], None]]:
    """Start a child that inherits what it may and lives until the test's end; return once it runs.

    A starter may continue sooner: the kernel closes what a child must not inherit a moment later.
    """
    children: list[subprocess.Popen[bytes]] = []
    sleeper = [sys.executable, "-c", "print(flush=True); input()"]

    def start() -> None:
        child = subprocess.Popen(sleeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        children.append(child)
        assert child.stdout is not None
        child.stdout.readline()

    yield start
    for child in children:
        child.communicate(b"\n")


async def test_the_lock_is_not_inherited(place: Path, spawn: Callable[[], None]) -> None:
    async with Store.open(place):
        spawn()
    async with Store.open(place):
        pass


async def test_an_empty_file_becomes_a_store(made: Path) -> None:
    sqlite3.connect(made / directory.DATABASE).close()
    async with Store.open(made) as store:
        await add(store, "run_1")


async def test_a_file_of_the_present_schema_is_taken_as_it_is(place: Path) -> None:
    async with Store.open(place) as store:
        await add(store, "run_1")
    async with Store.open(place) as store:
        assert (await store.find(Find())).total == 1


@pytest.mark.scorecard(32)
async def test_later_steps_are_taken_once_each_in_one_transaction(place: Path) -> None:
    async with Store.open(place) as store:
        await add(store, "run_1")
    path = place / directory.DATABASE
    known = database.scripts()
    add_column, broken = "ALTER TABLE runs ADD COLUMN extra TEXT;", "CREATE TABLE half (x); SELECT nonsense;"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(ConfigError, match="nonsense"):
            database.prepare_writer(db, path, [*known, add_column, broken])
        assert db.execute("PRAGMA user_version").fetchone() == (len(known) + 1,)
        assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall()
        assert not db.in_transaction
        database.prepare_writer(db, path, [*known, add_column, "CREATE TABLE whole (x);"])
        assert db.execute("SELECT id, extra FROM runs").fetchall() == [("run_1", None)]
    assert "newer praisonrun" in await refusal(place)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("PRAGMA application_id = 77", "another program"),
        ("CREATE TABLE mine (x)", "another program"),
        (f"PRAGMA application_id = {database.APPLICATION}; PRAGMA user_version = 99", "newer praisonrun"),
    ],
)
async def test_a_foreign_file_is_refused_and_left_alone(made: Path, sql: str, said: str) -> None:
    path = made / directory.DATABASE
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    before = content(path)
    assert said in await refusal(made)
    assert content(path) == before


@pytest.mark.parametrize("start", [0, 100], ids=["header", "schema page"])
async def test_a_damaged_file_is_named(place: Path, start: int) -> None:
    async with Store.open(place):
        pass
    path = place / directory.DATABASE
    overwrite(path, start)
    message = await refusal(place)
    assert "damaged" in message
    assert str(path) in message


def content(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, start: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"nonsense" * 50)


async def test_a_large_wal_is_emptied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Store.open(place) as store:
        await add(store, "run_1")
        assert not await store.checkpoint()
        monkeypatch.setattr("praisonrun.store.database.WAL_LIMIT", 1000)
        assert await store.checkpoint()
        assert store.sizes().wal_bytes == 0
        await add(store, "run_2")


CHILD = """
import asyncio, os, sys
from pathlib import Path
from praisonrun.core.model import Run
from praisonrun.store import Store

async def one(store, k):
    n = 0
    while True:
        name = f"run_{os.getpid()}_{k}_{n}"
        await store.add(Run(name, "hello", "v", 1, 1, 1), key=None, queue_limit=10**9)
        os.write(1, name.encode() + b"\\n")
        n += 1

async def main():
    async with Store.open(Path(sys.argv[1])) as store:
        await asyncio.gather(*(one(store, k) for k in range(4)))

asyncio.run(main())
"""


def killed(place: Path, after: int) -> set[str]:
    """Let a child add runs, kill it once it has acknowledged `after`, and return what it acknowledged."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(place)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as said:
        lines = [said.readline() for _ in range(after)]
        child.kill()
        lines += said.readlines()
    child.wait()
    return {line.decode().strip() for line in lines if line.endswith(b"\n")}


@pytest.mark.scorecard(1)
async def test_kill_9_loses_nothing_that_was_acknowledged(place: Path) -> None:
    acknowledged: set[str] = set().union(*(killed(place, 5 + 3 * loop) for loop in range(8)))
    async with Store.open(place) as store:
        check = await store._writer.run(lambda db: db.execute("PRAGMA integrity_check").fetchone())
        there = await store._reader.run(lambda db: {name for (name,) in db.execute("SELECT id FROM runs")})
        total = (await store.find(Find())).total
    assert check == ("ok",)
    assert len(acknowledged) > 100
    assert acknowledged <= there
    assert total == len(there)
