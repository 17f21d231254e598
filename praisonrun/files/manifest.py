"""What a run left: the manifest that its agent wrote, or one made of the paths that its entry declares.

Paths are below the run's artifacts directory or the agent's working directory. Both are a stranger's:
no link is followed below them, and only regular files are read. Sync; call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..core.model import Json

MANIFEST_LIMIT = 256 * 1024
"""Bytes of JSON up to which an agent's own manifest is taken for one."""
HASHED = 1 << 30
"""Bytes up to which a file is hashed."""
CLOCK = 20_000
"""Microseconds by which a file system's clock may lag behind ours."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def own(result: Json) -> dict[str, Json] | None:
    """Return what the agent left as its result if that is a manifest: an object with a list `outputs`."""
    if not isinstance(result, dict) or not isinstance(result.get("outputs"), list):
        return None
    return result if len(json.dumps(result)) <= MANIFEST_LIMIT else None


def declared(paths: Iterable[str], artifacts: Path, cwd: Path, since: int) -> dict[str, Json]:
    """Return the manifest of declared paths.

    What lies in the working directory counts only if it changed after `since` (microseconds): it is
    shared with other runs. A file of it is copied to the artifacts, so that it stays with the run.
    """
    return {"outputs": [_output(path, artifacts, cwd, since) for path in paths]}


def _output(path: str, artifacts: Path, cwd: Path, since: int) -> dict[str, Json]:
    found = _look(artifacts, path, 0) or _look(cwd, path, since, keep=artifacts)
    if found is None:
        found = {"path": path, "kind": None, "status": "missing", "size_bytes": None, "sha256": None}
    return {"configured_path": path, **found}


def _look(root: Path, path: str, since: int, keep: Path | None = None) -> dict[str, Json] | None:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        return None
    try:
        directory = os.open(root, _DIRECTORY)
        for part in parts[:-1]:
            directory = _enter(directory, part)
        try:
            fd = os.open(parts[-1] if parts else ".", _FILE, dir_fd=directory)
        finally:
            os.close(directory)
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
    """Copy an open file to the artifacts; one that does not fit there is only told of."""
    with suppress(OSError):
        artifacts.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(artifacts, _DIRECTORY | os.O_NOFOLLOW)
        for part in parts[:-1]:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=directory)
            directory = _enter(directory, part)
        try:
            _copy(fd, parts[-1], directory)
        finally:
            os.close(directory)


def _copy(fd: int, name: str, directory: int) -> None:
    copy = os.open(name, _NEW, 0o600, dir_fd=directory)
    try:
        at = 0
        while chunk := os.pread(fd, 1 << 20, at):
            at += os.write(copy, chunk)
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(copy)


def _enter(directory: int, part: str) -> int:
    try:
        return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    finally:
        os.close(directory)


def _described(fd: int, path: str, since: int) -> dict[str, Json] | None:
    about = os.fstat(fd)
    if about.st_ctime_ns // 1000 + CLOCK < since:
        return None
    common = {"path": path, "status": "available"}
    if stat.S_ISDIR(about.st_mode):
        return {**common, "kind": "directory", "size_bytes": None, "sha256": None}
    if not stat.S_ISREG(about.st_mode):
        return None
    digest = _sha256(fd) if about.st_size <= HASHED else None
    return {**common, "kind": "file", "size_bytes": about.st_size, "sha256": digest}


def _sha256(fd: int) -> str:
    digest = hashlib.sha256()
    at = 0
    while chunk := os.pread(fd, 1 << 20, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()
