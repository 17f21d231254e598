"""The directory of a store: private to its owner, and held by one server at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import ConfigError

DATABASE = "praisonrun.db"
LOCK = "server.lock"


@contextmanager
def hold(directory: Path) -> Iterator[Path]:
    """Make `directory` if need be, hold its lock, and give the path of its database file (0600).

    Raises ConfigError when the directory is not private to us or another server holds it. A process
    forked meanwhile would share the lock: fork before.
    """
    _make_private(directory)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock, directory)
        yield _database(directory)
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
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        raise ConfigError(
            f"{directory} is in use by another server (pid {holder}); "
            "stop it with `praisonrun stop`, or use --state DIR"
        ) from None
    except OSError as error:
        raise ConfigError(f"{directory} is on a file system without locks ({error.strerror})") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)


def _database(directory: Path) -> Path:
    """Create the file with its mode: SQLite gives the same one to -wal and -shm."""
    path = directory.resolve() / DATABASE
    created = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(created, 0o600)
    finally:
        os.close(created)
    return path
