"""The state directory, private to its owner and locked by one server, and the database in it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..config.discovery import LOCK
from ..core.errors import ConfigError

DATABASE = "praisonrun.db"
TRIES, PAUSE = 500, 0.01
"""How often, and after how many seconds, a server tries again for a lock that only commands hold."""
APPLICATION = 0x70726E31
"""`prn1`: it marks a file as ours."""
WAL_LIMIT = 64 << 20
"""Bytes of the -wal file that are kept."""

COMMON = ("busy_timeout = 5000", "trusted_schema = OFF", "cell_size_check = ON")
WRITER = (
    "foreign_keys = ON",
    "synchronous = FULL",
    "fullfsync = ON",
    "checkpoint_fullfsync = ON",
    f"journal_size_limit = {WAL_LIMIT}",
    "wal_autocheckpoint = 1000",
)
READER = (
    "query_only = ON",
    "cache_size = -512",  # KiB: the system caches it again, and SQLite's cache would grow with all runs
)


@contextmanager
def hold(directory: Path) -> Iterator[Path]:
    """Make the directory if it is missing, hold its lock inside this block, and yield the database's path.

    Raises ConfigError if the directory is not private to us or another server holds it. A process that is
    forked inside the block would share the lock: fork before.
    """
    _make_private(directory)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock, directory)
        path = directory.resolve() / DATABASE
        path.touch(0o600)
        path.chmod(0o600)  # SQLite gives -wal and -shm the same mode
        yield path
    finally:
        os.close(lock)


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise ConfigError(f"cannot use {directory} as the state directory: {error.strerror}") from error
    if found.st_uid != os.geteuid():
        raise ConfigError(f"the state directory {directory} belongs to another user; use --state DIR")
    if found.st_mode & 0o077:
        raise ConfigError(f"others can read the state directory {directory}; run: chmod 700 {directory}")


def _lock(lock: int, directory: Path) -> None:
    try:
        tries = 0
        while not _locked(lock, fcntl.LOCK_EX):
            tries += 1
            if tries == TRIES or not _locked(lock, fcntl.LOCK_SH):
                raise _in_use(lock, directory)
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(PAUSE)
    except OSError as error:
        raise ConfigError(f"{directory} is on a file system without locks ({error.strerror})") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)


def _locked(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(lock: int, directory: Path) -> ConfigError:
    holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
    return ConfigError(
        f"{directory} is in use by another server (pid {holder}); "
        "stop it with `praisonrun stop`, or use --state DIR"
    )


def scripts() -> list[str]:
    """Return the migrations in order: number n leads from schema n - 1 to n."""
    folder = files(__package__) / "schema"
    found = sorted(folder.iterdir(), key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in found if script.name.endswith(".sql")]


def prepare_writer(connection: sqlite3.Connection, path: Path, steps: Sequence[str] | None = None) -> None:
    """Set up the connection that writes, and migrate its file, each step in one transaction.

    Raises ConfigError for a file that is damaged, locked, not ours, or from a newer praisonrun.
    """
    try:
        _pragmas(connection, COMMON)
        _migrate(connection, path, scripts() if steps is None else steps)
        _pragmas(connection, WRITER)
    except sqlite3.OperationalError as error:
        raise ConfigError(f"cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{path} is damaged ({error}); restore it or move it away") from error


def prepare_reader(connection: sqlite3.Connection) -> None:
    """Set up a read-only connection."""
    _pragmas(connection, COMMON + READER)


def _migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    version = _ours(connection, path)
    if version > len(steps):
        raise ConfigError(
            f"{path} was made by a newer praisonrun (schema {version}, known {len(steps)}); "
            "upgrade praisonrun, or use --state DIR"
        )
    if _value(connection, "PRAGMA journal_mode = WAL") != "wal":
        raise ConfigError(f"{path} is on a file system without shared memory; use --state DIR")
    for number, step in enumerate(steps[version:], start=version + 1):
        _apply(connection, number, step)


def _ours(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's schema number, 0 for an empty file."""
    application = _value(connection, "PRAGMA application_id")
    empty = _value(connection, "SELECT count(*) FROM sqlite_schema") == 0
    if application != APPLICATION and not (empty and application == 0):
        raise ConfigError(f"{path} is the database of another program; use --state DIR")
    return int(_value(connection, "PRAGMA user_version"))


def _apply(connection: sqlite3.Connection, number: int, step: str) -> None:
    marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {number};"
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {step}; {marks} COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pragmas(connection: sqlite3.Connection, pragmas: Sequence[str]) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def _value(connection: sqlite3.Connection, sql: str) -> Any:
    return connection.execute(sql).fetchone()[0]
