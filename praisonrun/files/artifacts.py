"""Files that an agent left for its user: listed and opened without following a link, ever.

The agent owns the directory and may still be writing, so nothing in it is trusted: each part of a
path is opened below the one before it, and only regular files are shown.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import NotFound

LISTED = 10_000
"""Files that a list shows at most."""
DEPTH = 32
"""Directories below each other that are looked into."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file that a run left."""

    path: str
    """Below the artifacts directory, parts joined by `/`."""
    size: int


def listed(folder: Path) -> list[Artifact]:
    """Return the regular files below a run's folder, by path; none where there are none."""
    try:
        root = _below(folder)
    except OSError:
        return []
    found = []
    for artifact in _walk(root, "", DEPTH):
        found.append(artifact)
        if len(found) == LISTED:
            break
    return sorted(found, key=lambda artifact: artifact.path)


def opened(folder: Path, path: str) -> int:
    """Return an artifact's descriptor, open for reading. Raises NotFound for anything but a regular file."""
    missing = NotFound(f"no artifact {path[:200]!r}")
    *parents, name = path.split("/")
    if name in ("", ".", "..") or any(part in ("", ".", "..") for part in parents) or "\0" in path:
        raise missing
    try:
        directory = _below(folder)
        for part in parents:
            directory = _enter(directory, part)
        try:
            fd = os.open(name, _FILE, dir_fd=directory)
        finally:
            os.close(directory)
    except (OSError, UnicodeEncodeError):
        raise missing from None
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(fd)
        raise missing
    return fd


def _below(folder: Path) -> int:
    return _enter(os.open(folder, _DIRECTORY), "artifacts")


def _enter(directory: int, part: str) -> int:
    try:
        return os.open(part, _DIRECTORY, dir_fd=directory)
    finally:
        os.close(directory)


def _walk(directory: int, prefix: str, depth: int) -> Iterator[Artifact]:
    """Yield the files of an open directory, which is closed here."""
    try:
        for entry in os.scandir(directory):
            if not entry.name.isprintable():
                continue  # no URL of ours could name it
            about = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and about.st_nlink == 1:
                yield Artifact(prefix + entry.name, about.st_size)
            elif stat.S_ISDIR(about.st_mode) and depth:
                with suppress(OSError):
                    inner = os.open(entry.name, _DIRECTORY, dir_fd=directory)
                    yield from _walk(inner, f"{prefix}{entry.name}/", depth - 1)
    except FileNotFoundError:
        return  # the agent removed what was being looked at
    finally:
        os.close(directory)
