"""A disk that fails and is slow when told: the files of runs, and the database."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from praisonrun.core.errors import Unavailable
from praisonrun.files.run_files import RunFiles
from praisonrun.process.spec import spec
from praisonrun.store import ReadOnly, Store, StoredVersion
from praisonrun.store.group_commit import GroupCommit

from .fired import fired
from .virtual import Later

FAULTS = (
    "a read failed",
    "a write failed",
    "a version was not read",
    "a journal was not made",
    "a spec was not made",
    "a lock was not seen",
    "scratch was not removed",
)
UNSTARTED = ("a journal was not made", "a spec was not made", "a lock was not seen")
"""Those that may keep an attempt from its start."""
PATIENCE = 1.7
"""Seconds within which the server has tried again what failed, and done what waited for that."""


class Disk:
    """What goes wrong next; it outlives servers."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.next: Counter[str] = Counter()
        """How many of the next fail, by the name of the fault."""
        self.removing = 0.0
        """Seconds that the removal of a scratch directory takes."""
        self.clearing: set[str] = set()
        """Runs whose scratch directory is being removed."""
        self.failures = 0
        self.kept_from_starting = False
        """Whether a fault may have kept an attempt from its start."""
        self._failed_at = -PATIENCE

    def fails(self, fault: str) -> bool:
        """Say whether this fails; then the next may not."""
        if not self.next[fault]:
            return False
        self.next[fault] -= 1
        self.failures += 1
        self.kept_from_starting |= fault in UNSTARTED
        self._failed_at = self._seconds()
        fired(fault)
        return True

    def check(self, fault: str) -> None:
        """Raise OSError if this fails."""
        if self.fails(fault):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    @property
    def failed_lately(self) -> bool:
        """Whether the server may still wait before it tries again."""
        return self._seconds() - self._failed_at < PATIENCE

    def server_starts(self) -> None:
        """A server that cannot read its database at all does not start: that is not the model's subject."""
        self.clearing.clear()
        self.next["a read failed"] = self.next["a write failed"] = 0

    def connection(self, kind: type[GroupCommit]) -> type[GroupCommit]:
        """Return a kind of connection whose transactions may fail."""
        fault, disk = "a read failed" if issubclass(kind, ReadOnly) else "a write failed", self

        class Failing(kind):  # type: ignore[misc, valid-type]
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql == self.begin and disk.fails(fault):
                    raise sqlite3.OperationalError("disk I/O error")
                cursor: sqlite3.Cursor = super().execute(sql, *values)
                return cursor

        return Failing

    def version_of(self) -> Callable[[Store, str], Any]:
        """Return a Store.version that may fail."""
        real = Store.version

        async def version(store: Store, digest: str) -> StoredVersion:
            if self.fails("a version was not read"):
                raise Unavailable("the store failed: disk I/O error", retry_after=5)
            return await real(store, digest)

        return version

    def spec(self) -> Callable[..., Any]:
        """Return a way to make specs that may fail."""

        def made(*given: Any) -> Any:
            self.check("a spec was not made")
            return spec(*given)

        return made


class Files(RunFiles):
    """The runs' files, which a dead server cannot touch any more."""

    def __init__(self, root: Path, disk: Disk) -> None:
        super().__init__(root)
        self._disk = disk

    def die(self) -> None:
        self.root = self.root.with_name("beyond")
        self._runs = self.root

    def create(self, run_id: str) -> int:
        self._disk.check("a journal was not made")
        return super().create(run_id)

    def held(self, run_id: str) -> bool | None:
        self._disk.check("a lock was not seen")
        return super().held(run_id)

    def remove_scratch(self, run_id: str) -> None:
        disk = self._disk
        disk.check("scratch was not removed")
        if disk.removing and run_id not in disk.clearing:
            disk.clearing.add(run_id)
            fired("scratch was removed slowly")
            raise Later(disk.removing)
        super().remove_scratch(run_id)
        disk.clearing.discard(run_id)
