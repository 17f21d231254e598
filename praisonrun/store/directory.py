"""The state directory: private to its owner, locked by one server, and aware of where it was made.

A copy knows by that that it is one: what runs belongs to the original. A directory that is moved within its
file system keeps its inodes, so it stays the original. Device numbers may change with a reboot; they are
compared only within one.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..config.discovery import FILE, LOCK, unusable
from ..config.settings import boot_id
from ..core import lifecycle
from ..core.delivery import Delivery
from ..core.errors import ConfigError, counted, reason
from ..core.model import Run
from . import conversations, writes
from .open_files import DATABASE as DATABASE
from .open_files import RUNS

TRIES, PAUSE = 500, 0.01
"""How often, and after how many seconds, a server tries again for a lock that only commands hold."""
_MOST = (1 << 63) - 1
"""SQLite's integers are signed."""


@contextmanager
def hold(directory: Path) -> Iterator[Path]:
    """Make the directory if it is missing, hold its lock inside this block, and yield the database's path.

    Raises ConfigError if the directory is not private to us or another server holds it. A process that is
    forked inside the block would share the lock: fork before.
    """
    _make_private(directory)
    with ExitStack() as stack:
        try:
            lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, lock)
            itself = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, itself)
        except OSError as error:
            raise unusable(directory, error) from None
        with suppress(OSError):  # NFS locks no directory
            if not _locked(itself, fcntl.LOCK_EX):  # also by a server whose lock file was removed
                raise _in_use(lock, directory)
        _lock(lock, directory)
        if not _leads_to(directory / LOCK, lock):
            raise ConfigError(f"{directory / LOCK} was replaced meanwhile; start again")
        yield _database(directory)


def _database(directory: Path) -> Path:
    """Return the path of the database, an empty file if it is new. Raises ConfigError where none can be."""
    path = directory.resolve() / DATABASE
    try:
        if not path.exists() or not path.stat().st_size:
            _refuse_journals(directory, "is gone")
        path.touch(0o600)
        path.chmod(0o600)  # SQLite gives -wal and -shm the same mode
        with path.open("r+b"):
            return path
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {reason(error)}") from None


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


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _locked(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(lock: int, directory: Path) -> ConfigError:
    holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
    stop = "`praisonrun stop`"
    if not holder:  # the file is new: the one that the server holds was removed
        with suppress(OSError, ValueError, TypeError, KeyError):
            holder = str(json.loads((directory / FILE).read_bytes())["pid"])
            stop = f"`kill {holder}`"
    return ConfigError(
        f"{directory} is in use by another server (pid {holder or 'unknown'}); "
        f"stop it with {stop}, or use --state DIR"
    )


def _refuse_journals(directory: Path, database: str) -> None:
    """Raise ConfigError if there are journals, where a `database` tells of no run: it would forget them."""
    runs = directory / RUNS
    try:
        left = len(list(runs.glob("*.journal")))
    except OSError as error:
        raise ConfigError(f"cannot look at {runs}: {error.strerror}") from error
    if left:
        raise ConfigError(
            f"{directory / DATABASE} {database}, but the files of {counted(left, 'run')} are in {runs}; "
            f"restore it, or move {runs} away"
        )


class Place(NamedTuple):
    """What tells one state directory from another: the columns of the table `place`, without `store`."""

    dir_ino: int
    db_ino: int
    dev: int
    boot: str
    path: str

    @classmethod
    def of(cls, database: Path) -> Place:
        """Return the place of an existing database."""
        folder, file = database.parent.stat(), database.stat()
        inodes = folder.st_ino & _MOST, file.st_ino & _MOST
        return cls(*inodes, file.st_dev & _MOST, boot_id(), str(database.parent))

    def is_at(self, recorded: Place) -> bool:
        """Say whether this is the recorded place, perhaps under another path."""
        if (self.dir_ino, self.db_ino) != (recorded.dir_ino, recorded.db_ino):
            return False
        return self.boot != recorded.boot or self.dev == recorded.dev


def settle(
    connection: sqlite3.Connection, database: Path, at: int, adopt: Callable[[str], int] | None
) -> str:
    """Return the id of the store in this place, 16 hex digits; note the place, in the caller's transaction.

    Raises ConfigError for a copy, which changes nothing. With `adopt` the copy becomes a store of its own; it
    says how long a run's journal is.
    """
    here = Place.of(database)
    if connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None:  # a lost -wal takes rows along
        _refuse_journals(database.parent, "knows no run")
    row = connection.execute("SELECT store, dir_ino, db_ino, dev, boot, path FROM place").fetchone()
    if row is None:
        return _record(connection, secrets.token_hex(8), here)
    store, recorded = row[0], Place._make(row[1:])
    if here.is_at(recorded):
        return store if here == recorded else _record(connection, store, here)
    if adopt is None:
        raise ConfigError(
            f"{here.path} is a copy of {recorded.path} (or was restored or moved). Nothing of it was "
            f"started. To go on here: praisonrun serve --state {here.path} --adopt"
        )
    _let_go(connection, at, adopt)
    return _record(connection, secrets.token_hex(8), here)


def _record(connection: sqlite3.Connection, store: str, here: Place) -> str:
    connection.execute("DELETE FROM place")
    connection.execute("INSERT INTO place VALUES (?, ?, ?, ?, ?, ?)", (store, *here))
    return store


def _let_go(connection: sqlite3.Connection, at: int, journal_end: Callable[[str], int]) -> None:
    """End what only the original may go on with; all of it can be done again by hand."""
    for (run_id,) in connection.execute("SELECT id FROM runs WHERE finished_at IS NULL").fetchall():
        end = journal_end(run_id)
        writes.change(connection, run_id, partial(lifecycle.disown, at=at, journal_end=end), deliver=_nothing)
    connection.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'pending'")
    conversations.let_go(connection)


def _nothing(_run: Run) -> Delivery | None:
    return None
