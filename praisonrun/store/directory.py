"""The state directory: private to its owner, and locked by one server at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.discovery import LOCK
from ..core.errors import ConfigError

DATABASE = "praisonrun.db"
TRIES, PAUSE = 500, 0.01
"""How often, and after how many seconds, a server tries again for a lock that only commands hold."""


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


def _database(directory: Path) -> Path:
    """Create the file with mode 0600: SQLite gives -wal and -shm the same."""
    path = directory.resolve() / DATABASE
    created = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(created, 0o600)
    finally:
        os.close(created)
    return path
