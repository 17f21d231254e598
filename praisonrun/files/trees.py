"""Open, make, measure and remove what an agent may fill. No link is followed below a root.

An agent may change its files meanwhile. So each part of a path is opened below the one before it, and no
open can block. Standard library only, and no pathlib: every shim would pay for it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def directory_below(
    root: str | os.PathLike[str], parts: Sequence[str], *, make: bool = False
) -> Iterator[int]:
    """Open a directory below `root` inside this block. `make` makes the ones that are missing, private.

    `root` itself may be a link. Raises OSError, or ValueError for a part that is no file name.
    """
    fd = os.open(root, _ROOT)
    try:
        for part in map(_name, parts):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=fd)
            inner = os.open(part, DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def file_below(root: str | os.PathLike[str], parts: Sequence[str]) -> int:
    """Return a descriptor, for reading, of what is at `parts` below `root`. Raises as `directory_below`."""
    with directory_below(root, parts[:-1]) as fd:
        return os.open(_name(parts[-1]) if parts else ".", FILE, dir_fd=fd)


def is_own_file(about: os.stat_result) -> bool:
    """Say whether this is a regular file with one name: a second name could be a file elsewhere."""
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1


def _name(part: str) -> str:
    if part in ("", ".", "..") or "/" in part:
        raise ValueError(f"{part!r} is no file name")
    return part


def own_directory(path: str) -> None:
    """Make a private directory, or make one of ours private. Raises FileExistsError for any other file."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise
        os.chmod(path, 0o700)


def remove_tree(path: str) -> None:
    """Remove a directory and everything in it, or any other file there, as far as possible. Follows no link.

    Deep directories are first moved to the top, so that depth costs neither stack nor descriptors.
    """
    try:
        top = _opened(path)
    except OSError:
        with suppress(OSError):  # an agent may have put anything in the place of its directory
            os.unlink(path)
        return
    try:
        _empty(top)
        os.rmdir(path)
    except OSError:
        pass  # another user's file, or a mount: retention finds what is left
    finally:
        os.close(top)


def _empty(top: int) -> None:
    number, prefix = 0, os.urandom(8).hex()  # a name that is not there yet
    while names := os.listdir(top):
        for name in names:
            if _unlinked(top, name):
                continue
            inner = _opened(name, top)
            try:
                for below in os.listdir(inner):
                    if not _unlinked(inner, below):
                        number += 1
                        os.chmod(below, 0o700, dir_fd=inner)
                        os.rename(below, f"{prefix}{number}", src_dir_fd=inner, dst_dir_fd=top)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _opened(name: str, inside: int | None = None) -> int:
    """Open a directory, and allow us to remove what is in it."""
    try:
        fd = os.open(name, DIRECTORY, dir_fd=inside)
    except PermissionError:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=inside).st_mode):
            raise
        os.chmod(name, 0o700, dir_fd=inside)
        fd = os.open(name, DIRECTORY, dir_fd=inside)
    with suppress(OSError):  # another user's
        os.fchmod(fd, 0o700)
    return fd


def _unlinked(directory: int, name: str) -> bool:
    """Remove an entry that is no directory."""
    if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=directory)
    return True


def tree_bytes(path: str) -> int:
    """Return the bytes that a directory's entries take on the disk. What vanishes meanwhile counts as 0.

    It makes no Path for each file: Python would intern their names, which is slow and stays in memory.
    """
    total, waiting = 0, [path]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += disk_bytes(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total


def disk_bytes(about: os.stat_result) -> int:
    """Return the bytes that one file takes on the disk."""
    return about.st_blocks * 512
