"""A run's output manifest: the one that its agent wrote, or one made of the paths in its entry's `outputs`.

The paths are below the run's artifacts directory or the agent's working directory. Strangers write to
both: no link is followed below them, and only regular files are read. Sync; call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..core.model import Json
from .trees import directory_below, file_below

MANIFEST_LIMIT = 256 * 1024
"""Bytes of JSON in an agent's own manifest, at most. A larger one is only a result."""
HASHED = 1 << 30
"""Bytes of a file that is hashed, at most."""
CLOCK = 20_000
"""Microseconds by which a file system's clock may be behind ours."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def own(result: Json) -> dict[str, Json] | None:
    """Return an agent's result if it is a manifest (an object with a list `outputs`), else None."""
    if not isinstance(result, dict) or not isinstance(result.get("outputs"), list):
        return None
    return result if len(json.dumps(result)) <= MANIFEST_LIMIT else None


def declared(paths: Iterable[str], artifacts: Path, cwd: Path, since: int) -> dict[str, Json]:
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
