"""Open files below a directory without following links. Standard library only: shims use it.

An agent may own what is below, and may change it meanwhile. So each part of a path is opened below the
one before it, and no open can block.
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
def directory(root: str | os.PathLike[str], parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
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


def file(root: str | os.PathLike[str], parts: Sequence[str]) -> int:
    """Return a descriptor, open for reading, of the file, directory or device at `parts` below `root`.

    Raises as `directory` does.
    """
    with directory(root, parts[:-1]) as fd:
        return os.open(_name(parts[-1]) if parts else ".", FILE, dir_fd=fd)


def is_own_file(about: os.stat_result) -> bool:
    """Say whether this is a regular file with one name: a second name could be a file elsewhere."""
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1


def _name(part: str) -> str:
    if part in ("", ".", "..") or "/" in part:
        raise ValueError(f"{part!r} is no file name")
    return part
