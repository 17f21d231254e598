"""Whether the store may write: whether its open files are whole, and are what their names lead to.

A file that was removed, moved or replaced takes writes as before, but nobody finds them again. What was cut
short must not even be closed as usual: SQLite would copy the hole into the database.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..config.discovery import LOCK
from ..core.errors import reason

log = logging.getLogger("praisonrun")
DATABASE = "praisonrun.db"
WAL, SHM, RUNS = f"{DATABASE}-wal", f"{DATABASE}-shm", "runs"
_MODES = {"": 0o700, DATABASE: 0o600, LOCK: 0o600, RUNS: 0o700, WAL: 0o600, SHM: 0o600}
"""What is looked at in the state directory, and what its owner must be allowed."""
LOOK = 0.25
"""Seconds between two looks at all files, while transactions come."""
_INDEX, _INDEX_AT = struct.Struct("=HII"), 14
"""In -shm: the size of a page, the frames in -wal that count, the pages of the database."""


class Fault(NamedTuple):
    """What is wrong with a file, and what to do about it."""

    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what}: {self.advice}"


class OpenFiles:
    """The files of a state directory that a server has open. The threads of both connections use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._paths = {name: self._directory / name for name in _MODES}
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        """A descriptor of each file: while it is open, no other file gets its inode."""
        self._size, self._looked = 0, 0.0
        self._stamp = 0
        """When the directory had changed, at the latest look: each name that comes or goes changes it."""
        self._fault: Fault | None = None
        self.lost = ""
        """Why nothing more is written until a restart: an fsync failed, or a page is damaged."""
        self.failed = ""
        """Why the latest transaction failed, until one succeeds."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Close all at the end. To be left after the connections: a file that is closed loses their locks."""
        try:
            yield
        finally:
            while self._held:
                os.close(self._held.popitem()[1])

    def refusal(self) -> str:
        """Return why nothing may be written now, or "". Path by path it looks a few times a second only."""
        if self._held:
            due = self._fault or time.monotonic() - self._looked > LOOK
            if due or self._stamp != self._changed_at() or self.torn:
                self.look()
        return self.lost or (f"{self._fault.what}; /health says what to do" if self._fault else "")

    def look(self) -> str:
        """Return what is wrong with the files and what to do about it, in one line; "" if nothing is.

        The first look learns which files they are.
        """
        with self._lock:
            return str(self._looked_at() or "")

    def _looked_at(self) -> Fault | None:
        before, self._looked, self._stamp = self._fault, time.monotonic(), self._changed_at()
        self._fault = self._wrong() and self._wrong()  # the first time may have met a checkpoint
        if self._fault and (before is None or before.what != self._fault.what):
            log.error("%s", self._fault)
        elif before and not self._fault:
            log.warning("writing again: it is over that %s", before.what)
        return self._fault

    def _changed_at(self) -> int:
        return os.fstat(self._held[""]).st_ctime_ns if self._held else 0

    def damage(self, error: BaseException) -> str:
        """Say that a page is damaged, and how to save the others."""
        path = self._paths[DATABASE]
        return (
            f"{path} is damaged ({error}) and nothing more is stored: save what can still be read "
            f"(sqlite3 {path} .recover), kill {os.getpid()}, and put back a backup"
        )

    @property
    def torn(self) -> str:
        """The file that was cut short, of those that SQLite reads without a check."""
        if SHM not in self._held:  # a first look stopped at another file
            return ""
        index = self._index()
        if index is None:
            return SHM
        page, frames, _ = index
        return WAL if frames and os.fstat(self._held[WAL]).st_size < 32 + frames * (24 + page) else ""

    def cut_index(self) -> str:
        """Say whether -shm was cut short: who reads what is mapped of it is killed (SIGBUS)."""
        cut = SHM in self._held and self._index() is None
        return f"{self._paths[SHM]} was cut short; /health says what to do" if cut else ""

    def _index(self) -> tuple[int, int, int] | None:
        index = os.pread(self._held[SHM], _INDEX.size, _INDEX_AT)
        return _INDEX.unpack(index) if len(index) == _INDEX.size else None

    def _wrong(self) -> Fault | None:
        try:
            return self._fault_of_a_name() or self._fault_of_all()
        except OSError as error:  # a failing disk
            return Fault(f"{self._directory} cannot be read ({reason(error)})", "look after its disk")

    def _fault_of_a_name(self) -> Fault | None:
        for name in _MODES:
            if fault := self._changed(name):
                return fault if fault.advice else fault._replace(advice=self._advice(name))
        return None

    def _fault_of_all(self) -> Fault | None:
        if cut := self.torn:
            return self._cut(cut)
        if os.statvfs(self._directory).f_flag & os.ST_RDONLY:
            return Fault(f"{self._directory} is read-only now", "mount its file system for writing")
        return None

    def _changed(self, name: str) -> Fault | None:
        """Return in which way a name no longer leads to its file, or to one that can be used."""
        path, mode = self._paths[name], _MODES[name]
        try:
            about = path.stat()
            if name not in self._held:
                self._held[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return Fault(f"{path} was removed or moved", "") if name in self._held else None
        except OSError as error:
            return Fault(f"{path} cannot be reached ({reason(error)})", "give back access to its directories")
        if not os.path.samestat(about, os.fstat(self._held[name])):
            return Fault(f"{path} was replaced", "")
        if about.st_mode & mode != mode:
            return Fault(f"{path} has the mode {about.st_mode & 0o777:03o}", f"chmod {mode:o} {path}")
        return self._cut(name) if name == DATABASE and self._shrunk(about.st_size) else None

    def _shrunk(self, size: int) -> bool:
        """Say whether the database has less than before, and less than its pages: VACUUM shrinks it, too."""
        page, _, pages = (SHM in self._held and self._index()) or (0, 0, 0)
        shrunk = size < min(self._size, page * pages)
        self._size = self._size if shrunk else size
        return shrunk

    def _cut(self, name: str) -> Fault:
        backup = "" if name == SHM else f"put back {DATABASE} from a backup, or "
        advice = f"kill {os.getpid()}, {backup}start the server again"
        return Fault(f"{self._paths[name]} was cut short", advice)

    def _advice(self, name: str) -> str:
        pid = os.getpid()
        if name == RUNS:
            return "move it back, or start the server again without what its runs printed"
        if name not in ("", DATABASE):
            saves = "" if name == LOCK else ", which saves its content,"
            return f"move it back, or stop the server (kill {pid}){saves} and start it again"
        copies = " && ".join(f"cp /proc/{pid}/fd/{self._held[each]} {each}" for each in (DATABASE, WAL))
        save = f"save its content elsewhere ({copies}), then " if Path("/proc/self/fd").exists() else ""
        there = f"put what was saved into {self._directory} and start with --adopt"
        return f"move it back, or {save}kill {pid}, {there}"
