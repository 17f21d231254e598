"""Files that an agent left for its user, and the manifest of them: the agent's own, or one of declared paths.

Strangers write to its directories, also meanwhile: no link is followed, and only regular files are read.
Sync; call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..core.errors import NotFound
from ..core.json import Json
from .trees import DIRECTORY, directory_below, file_below, is_own_file

LISTED = 10_000
"""Files in a list, at most."""
DEPTH = 32
"""Levels of directories that are listed."""
MANIFEST_LIMIT = 256 * 1024
"""Bytes of JSON in an agent's own manifest, at most. A larger one is only a result."""
HASHED = 1 << 30
"""Bytes of a file that is hashed, at most."""
CLOCK = 20_000
"""Microseconds by which a file system's clock may be behind ours."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file that a run left."""

    path: str
    """Below the artifacts directory; its parts are joined by `/`."""
    size: int


def listed(folder: Path) -> list[Artifact]:
    """Return the regular files among a run's artifacts, by path. What cannot be looked at is left out."""
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


def own_manifest(result: Json) -> dict[str, Json] | None:
    """Return an agent's result if it is a manifest (an object with a list `outputs`), else None."""
    if not isinstance(result, dict) or not isinstance(result.get("outputs"), list):
        return None
    return result if len(json.dumps(result)) <= MANIFEST_LIMIT else None


def manifest(paths: Iterable[str], artifacts: Path, cwd: Path, since: int) -> dict[str, Json]:
    """Return the manifest of declared paths.

    A path in the working directory counts only if it changed after `since` (microseconds), because other
    runs share that directory. Its file is copied to the artifacts, so that it stays with the run.
    """
    return {"outputs": [_output(path, artifacts, cwd, since) for path in paths]}


def _output(path: str, artifacts: Path, cwd: Path, since: int) -> dict[str, Json]:
    found = _look(artifacts, path, 0) or _look(cwd, path, since, keep=artifacts)
    if found is None:
        found = {"path": path, "kind": None, "status": "missing", "size_bytes": None, "sha256": None}
    return {"configured_path": path, **found}


def _look(root: Path, path: str, since: int, keep: Path | None = None) -> dict[str, Json] | None:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    try:
        fd = file_below(root, parts)
    except (OSError, ValueError):
        return None
    try:
        found = _described(fd, str(root.joinpath(*parts)), since)
        if keep is not None and found is not None and found["sha256"] is not None:
            _keep(fd, keep, parts)
        return found
    except OSError:
        return None
    finally:
        os.close(fd)


def _keep(fd: int, artifacts: Path, parts: list[str]) -> None:
    """Copy an open file to the artifacts. The manifest names a file that cannot be copied nevertheless."""
    *parents, name = parts
    with suppress(OSError):
        artifacts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with directory_below(artifacts.parent, (artifacts.name, *parents), make=True) as directory:
            _copy(fd, name, directory)


def _copy(fd: int, name: str, directory: int) -> None:
    copy = os.open(name, _NEW, 0o600, dir_fd=directory)
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        with os.fdopen(fd, "rb", 0, closefd=False) as file, os.fdopen(copy, "wb") as kept:
            shutil.copyfileobj(file, kept)
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise


def _described(fd: int, path: str, since: int) -> dict[str, Json] | None:
    about = os.fstat(fd)
    if about.st_ctime_ns // 1000 + CLOCK < since:
        return None
    common = {"path": path, "status": "available"}
    if stat.S_ISDIR(about.st_mode):
        return {**common, "kind": "directory", "size_bytes": None, "sha256": None}
    if not stat.S_ISREG(about.st_mode):
        return None
    digest = None
    if about.st_size <= HASHED:
        with os.fdopen(fd, "rb", 0, closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {**common, "kind": "file", "size_bytes": about.st_size, "sha256": digest}
