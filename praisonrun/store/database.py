"""The database file: its connections' settings, and its way to the present schema."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, counted
from .changes import last_rev
from .rows import title_of

log = logging.getLogger("praisonrun")
APPLICATION = 0x70726E31
"""`prn1`: it marks a file as ours."""
WAL_LIMIT = 64 << 20
"""Bytes of the -wal file that are kept."""

COMMON = "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
WRITER = f"""
PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
PRAGMA journal_size_limit = {WAL_LIMIT}; PRAGMA wal_autocheckpoint = 1000;
"""
# The cache has 512 KiB: the system caches the file again, and SQLite's cache would grow with all runs.
READER = "PRAGMA query_only = ON; PRAGMA cache_size = -512;"


def scripts() -> list[str]:
    """Return the migrations in order: number n leads from schema n - 1 to n."""
    folder = files(__package__) / "schema"
    found = sorted(folder.iterdir(), key=lambda script: script.name)
    return [script.read_text(encoding="utf-8") for script in found if script.name.endswith(".sql")]


def prepare_writer(db: sqlite3.Connection, path: Path, steps: Sequence[str] | None = None) -> None:
    """Set up the writer and migrate its file. Raises ConfigError if that is damaged, locked or not ours."""
    try:
        db.executescript(COMMON)
        db.create_function("title_of", 1, _title, deterministic=True)
        _migrate(db, path, scripts() if steps is None else steps)
        db.executescript(WRITER)
        if steps is None:
            _number_writes(db)
    except sqlite3.OperationalError as error:
        raise ConfigError(f"cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{path} is damaged ({error}); restore it or move it away") from error


def _number_writes(db: sqlite3.Connection) -> None:
    """Define next_rev(): each row that is written gets a higher number than all before."""
    revs = count(last_rev(db) + 1)
    db.create_function("next_rev", 0, lambda: next(revs))


def prepare_reader(db: sqlite3.Connection) -> None:
    db.executescript(COMMON + READER)


def _migrate(db: sqlite3.Connection, path: Path, steps: Sequence[str]) -> None:
    version = _ours(db, path)
    if version > len(steps):
        raise ConfigError(
            f"{path} was made by a newer praisonrun (schema {version}, known {len(steps)}); "
            "upgrade praisonrun, or use --state DIR"
        )
    if version and version < len(steps):
        _prepare_upgrade(db, path)
    for number, step in enumerate(steps[version:], start=version + 1):
        _apply(db, number, step)
    if _value(db, "PRAGMA journal_mode = WAL") != "wal":
        raise ConfigError(f"{path} is on a file system without shared memory; use --state DIR")


def _prepare_upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Make sure of the room for a second copy of the rows; say what will take a while.

    The -wal file is not used meanwhile: there, the copy would need its size twice.
    """
    _value(db, "PRAGMA journal_mode = DELETE")
    needed, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < needed:
        raise ConfigError(
            f"{path} is of an older praisonrun, and its upgrade needs {needed >> 20} MiB on a disk that has "
            f"{free >> 20} MiB left; free some space and start again. Nothing was changed"
        )
    log.info("upgrading %s", counted(_value(db, "SELECT count(*) FROM runs"), "run"))


def _ours(db: sqlite3.Connection, path: Path) -> int:
    """Return the file's schema number, 0 for an empty file."""
    application = _value(db, "PRAGMA application_id")
    empty = _value(db, "SELECT count(*) FROM sqlite_schema") == 0
    if application != APPLICATION and not (empty and application == 0):
        raise ConfigError(f"{path} is the database of another program; use --state DIR")
    return int(_value(db, "PRAGMA user_version"))


def _apply(db: sqlite3.Connection, number: int, step: str) -> None:
    marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {number};"
    db.execute("PRAGMA ignore_check_constraints = ON")  # a damaged row comes along as it is
    try:
        db.executescript(f"BEGIN IMMEDIATE; {step}; {marks} COMMIT;")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    finally:
        db.execute("PRAGMA ignore_check_constraints = OFF")


def _title(prompt: bytes) -> str:
    return title_of(prompt.decode(errors="replace"))


def _value(db: sqlite3.Connection, sql: str) -> Any:
    return db.execute(sql).fetchone()[0]
