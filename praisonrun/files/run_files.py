"""The files of runs: no other module knows their paths. Sync, and every function is short.

A journal is its own lock: the process that has it open and locked owns the run. It is created locked.
"""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..core.errors import DiskFull, Unavailable, reason
from ..journal import format as journal
from ..journal.reader import Reader, Tail
from ..journal.writer import Journal
from . import scratch
from .bell import Bell
from .trees import disk_bytes, remove_tree, tree_bytes
from .worktrees import Worktree, name_of, run_ids

log = logging.getLogger("praisonrun")
T = TypeVar("T")
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_SUFFIX = ".journal"
_TAKEN = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""Something else has the journal's name: no reason to start no other run."""
_PLAIN = re.compile(r"[a-z0-9_-]{1,100}")
"""Ids that are file names as they are, as all ids are that praisonrun makes."""
_CODED = "="
"""The beginning of the file name of any other id."""


class RunFiles:
    """The files of every run of one server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bell = Bell(root)
        self._runs = root / "runs"
        self._runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runs.chmod(0o700)

    def journal(self, run_id: str) -> Path:
        return self._runs / f"{file_name(run_id)}{_SUFFIX}"

    def folder(self, run_id: str) -> Path:
        """Return the path of a run's input, events, result, artifacts and scratch."""
        return self._runs / file_name(run_id)

    def worktree(self, run_id: str) -> Worktree:
        """Return where a run's worktree is, if it has one."""
        return Worktree(self.root, name_of(run_id, file_name(run_id)))

    def create(self, run_id: str) -> int:
        """Create and lock a journal; return its descriptor. Raises FileExistsError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN
        return _locked(os.open(self.journal(run_id), flags, 0o600), run_id)

    def prepare(self, run_id: str, *, whole: bool = False) -> None:
        """Make sure that a run has a journal. Raises DiskFull, Unavailable where none can be made.

        With `whole`, what a killed shim left torn at its end is cut off; that reads every frame's header.
        """
        try:
            with os.fdopen(self.reopen(run_id), "rb", 0) as file:
                if whole:
                    Journal(file.fileno())
        except (BlockingIOError, Unavailable):
            return  # there is one; whoever starts the attempt says what is wrong with it
        except OSError as error:
            if error.errno in _TAKEN:
                return
            kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable
            said = f"the journal of run {run_id} cannot be made: {reason(error)}"
            raise kind(said, retry_after=5) from error

    def reopen(self, run_id: str) -> int:
        """Lock a journal again, like `create`. Raises BlockingIOError while a shim has it, or Unavailable."""
        try:
            fd = os.open(self.journal(run_id), os.O_RDWR | _OPEN)
        except FileNotFoundError:
            return self.create(run_id)
        return _locked(fd, run_id)

    def open_read(self, run_id: str) -> int:
        """Return a descriptor of a journal, open for reading. Raises FileNotFoundError."""
        return os.open(self.journal(run_id), os.O_RDONLY | _OPEN)

    def reader(self, run_id: str) -> Reader | None:
        """Return a reader of a journal, which the caller closes; None without a journal of this version."""
        try:
            reader = Reader(self.open_read(run_id))
        except FileNotFoundError:
            return None
        if reader.readable():
            return reader
        reader.close()
        log.warning("the journal of run %s is of another version of praisonrun", run_id)
        return None

    def read(self, run_id: str, look: Callable[[Reader], T]) -> T | None:
        """Return what `look` returns of a run's journal; None where `reader` returns None."""
        reader = self.reader(run_id)
        if reader is None:
            return None
        with reader:
            return look(reader)

    def held(self, run_id: str) -> bool | None:
        """Say whether a shim lives for this run; None without a journal."""
        try:
            with os.fdopen(self.open_read(run_id), "rb", 0) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            self._must_be_there()
            return None
        except BlockingIOError:
            return True
        return False

    def _must_be_there(self) -> None:
        """Raise OSError where the directory of all runs is gone, which says nothing of one run's journal."""
        if not self._runs.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "the directory of the runs' files is gone")

    def sound(self, run_id: str) -> bool:
        """Say whether a live run's journal is there, has its header, and can be read by its owner."""
        try:
            about = self.journal(run_id).stat()
        except OSError:
            return False
        return about.st_size >= journal.START and bool(about.st_mode & 0o400)

    def watch(self, run_id: str, on: bool) -> None:
        """Set whether somebody watches a run: its shim rings only then. Does nothing without a journal."""
        with suppress(FileNotFoundError):
            fd = os.open(self.journal(run_id), os.O_WRONLY | _OPEN)
            with os.fdopen(fd, "wb", 0):
                os.pwrite(fd, b"1" if on else b"0", journal.WATCH_AT)

    def tail(self, run_id: str) -> Tail:
        """Return how a journal ends, by its frames' headers. A missing one has no frames and no header."""
        try:
            with Reader(self.open_read(run_id)) as reader:
                return reader.tail()
        except FileNotFoundError:
            self._must_be_there()
            return Tail(journal.START, whole=False)

    def remove(self, run_id: str) -> None:
        """Remove all files of a run, following no link. Raises OSError if its journal stays."""
        remove_tree(str(self.journal(run_id)))  # an agent may have put a directory there
        self.journal(run_id).unlink(missing_ok=True)  # says what keeps it, before anything else goes
        scratch.remove(self._scratch(run_id))
        remove_tree(str(self.folder(run_id)))
        self.worktree(run_id).remove()

    def remove_scratch(self, run_id: str) -> None:
        """Remove a run's scratch directory, and its folder if that is empty then."""
        scratch.remove(self._scratch(run_id))
        with suppress(OSError):
            self.folder(run_id).rmdir()

    def keep_scratch(self, run_id: str) -> None:
        """Move a run's scratch directory into its folder, if it is elsewhere."""
        try:
            scratch.keep(self._scratch(run_id))
        except OSError as error:  # shutil's is one, too
            why = "the scratch directory of run %s stays where it is, and may be gone after a restart: %s"
            log.warning(why, run_id, reason(error))

    def scratch_places(self, store: str, run_id: str) -> list[str]:
        """Return where a run's scratch directory may be while it lives, the best first."""
        name = hashlib.sha256(f"{store}{run_id}".encode()).hexdigest()[:8]
        return [f"{base}/{name}" for base in scratch.bases()]

    def remove_orphans(self, old: Callable[[int], bool]) -> None:
        """Remove the scratch directories of runs that are gone, if their last change (µs) is `old`."""
        for base in scratch.bases():
            scratch.remove_orphans(base, old)

    def _scratch(self, run_id: str) -> str:
        return f"{self.folder(run_id)}/scratch"

    def begun(self, run_id: str) -> bool:
        """Say whether a journal has a frame, or is of another version, whose frames are unknown."""
        with suppress(FileNotFoundError), Reader(self.open_read(run_id)) as reader:
            return not reader.readable() or any(True for _ in reader.headers())
        return False

    def remove_idle(self, run_id: str, old: Callable[[int], bool]) -> None:
        """Remove a run's files if no process holds them and their last change (µs) is `old`."""
        if not self.held(run_id) and old(self._changed(run_id)):
            self.remove(run_id)

    def _changed(self, run_id: str) -> int:
        paths = self.journal(run_id), self.folder(run_id)
        return max((path.lstat().st_mtime_ns for path in paths if path.exists()), default=0) // 1000

    def usage(self) -> int:
        """Return the bytes that all runs take on the disk. It is slow: it looks at every file."""
        return tree_bytes(str(self._runs)) + tree_bytes(str(self.root / "worktrees"))

    def size(self, run_id: str) -> int:
        total = tree_bytes(str(self.folder(run_id)))
        for path in (self.journal(run_id), self.folder(run_id)):
            with suppress(OSError):
                total += disk_bytes(path.lstat())
        tree = self.worktree(run_id)
        return total + tree.bytes() if tree.exists() else total

    def ids_on_disk(self) -> Generator[str, None, None]:
        """Yield the id of every run that has files, once for each kind of them."""
        yield from run_ids(self.root)
        with os.scandir(self._runs) as entries:
            for entry in entries:
                yield run_id_of(entry.name.removesuffix(_SUFFIX))

    def free_bytes(self) -> int:
        """Return the free bytes of the disk: 0 where no more files can be made."""
        about = os.statvfs(self.root)
        return 0 if about.f_files and not about.f_favail else about.f_bavail * about.f_frsize


def _locked(fd: int, run_id: str) -> int:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not Reader(fd).readable():
            raise Unavailable(f"the journal of run {run_id} is of another version of praisonrun")
        _complete_header(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _complete_header(fd: int) -> None:
    """Write the header of a new journal, or one that a crash left incomplete; never over a frame."""
    torn = os.fstat(fd).st_size < journal.START or os.pread(fd, len(journal.MAGIC), 0) != journal.MAGIC
    if torn and Reader(fd).last() is None:
        os.ftruncate(fd, 0)
        os.pwrite(fd, journal.FILE_HEADER, 0)


def file_name(run_id: str) -> str:
    """Return the file name of an id, which a caller may have chosen.

    Different ids have different names, even on a file system that ignores case. No name is `.`, `..` or
    another id's journal, and the name of an id of 128 characters is not too long.
    """
    if _PLAIN.fullmatch(run_id):
        return run_id
    return _CODED + base64.b32encode(run_id.encode()).decode().lower().rstrip("=")


def run_id_of(name: str) -> str:
    """Return the id of a file name; any other file's name is taken as an id."""
    if not name.startswith(_CODED):
        return name
    coded = name[1:].upper()
    try:
        return base64.b32decode(coded + "=" * (-len(coded) % 8)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return name
