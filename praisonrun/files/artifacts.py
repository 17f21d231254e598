"""Files that an agent left for its user: listed and opened without following a link.

The agent owns the directory and may still be writing, so nothing in it is trusted, and only regular
files are shown. Sync; call it in a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..core.errors import NotFound
from .trees import DIRECTORY, directory_below, file_below, is_own_file

LISTED = 10_000
"""Files in a list, at most."""
DEPTH = 32
"""Levels of directories that are listed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file that a run left."""

    path: str
    """Below the artifacts directory; its parts are joined by `/`."""
    size: int


def listed(folder: Path) -> list[Artifact]:
    """Return the regular files among a run's artifacts, by path; `folder` is the run's.

    A directory that cannot be read counts as empty, and a file that cannot be looked at is left out.
    """
    try:
        with directory_below(folder.parent, (folder.name, "artifacts")) as root:
            found = list(islice(_walk(root, "", DEPTH), LISTED))
    except OSError:
        return []
    return sorted(found, key=lambda artifact: artifact.path)


def opened(folder: Path, path: str) -> int:
    """Return an artifact's descriptor, open for reading. Raises NotFound for anything but a regular file."""
    missing = NotFound(f"no artifact {path[:200]!r}")
    try:
        fd = file_below(folder.parent, (folder.name, "artifacts", *path.split("/")))
    except (OSError, ValueError):
        raise missing from None
    if is_own_file(os.fstat(fd)):
        return fd
    os.close(fd)
    raise missing


def _walk(directory: int, prefix: str, depth: int) -> Iterator[Artifact]:
    """Yield the files of an open directory. What vanishes meanwhile or refuses a look is left out."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.isprintable():  # no URL of ours could name another
                with suppress(OSError):
                    yield from _entry(entry, directory, prefix, depth)


def _entry(entry: os.DirEntry[str], directory: int, prefix: str, depth: int) -> Iterator[Artifact]:
    about = entry.stat(follow_symlinks=False)
    if is_own_file(about):
        yield Artifact(prefix + entry.name, about.st_size)
    elif stat.S_ISDIR(about.st_mode) and depth:
        inner = os.open(entry.name, DIRECTORY, dir_fd=directory)
        try:
            yield from _walk(inner, f"{prefix}{entry.name}/", depth - 1)
        finally:
            os.close(inner)
