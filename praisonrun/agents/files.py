"""The only place that opens agents files. Reading is bounded, never hangs, and stays inside the roots."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.errors import BadRequest, ConfigError, FaultPlace, reason
from ..files.trees import FILE, directory_below

MAX_BYTES = 256 * 1024
_UNNAMEABLE = re.compile("[\0\ud800-\udfff]")
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Place(NamedTuple):
    """A file inside a root: both absolute and without symlinks."""

    root: str
    path: str


def read(path: Path, shown: str) -> str:
    """Return the text of a file that the user configured; a symlink is followed.

    Raises ConfigError for anything but a readable regular file of UTF-8 of at most 256 KiB.
    """
    try:
        descriptor = os.open(path, _FILE)
    except OSError as error:
        raise ConfigError(f"cannot be read: {reason(error)}", place=FaultPlace(shown)) from None
    return _text(descriptor, shown)


def read_confined(place: Place, shown: str) -> str:
    """Return the text of a file inside a root, walked to without following any symlink.

    Raises BadRequest if something else is there by now, ConfigError for what the file holds.
    """
    *folders, name = Path(place.path).relative_to(place.root).parts or (".",)
    try:
        with directory_below(place.root, folders) as folder:
            _refuse_special(os.stat(name, dir_fd=folder, follow_symlinks=False), shown)
            descriptor = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        raise bad(shown, f"cannot be read: {reason(error)}") from None
    return _text(descriptor, shown)


def locate(agent_file: str, roots: Sequence[Path]) -> Place | None:
    """Return the place of an agent_file, or None if no root has it. Raises BadRequest outside the roots."""
    _refuse_form(agent_file)
    if os.path.isabs(agent_file):  # noqa: PTH117
        roots = [root for root in roots if _inside(agent_file, os.path.abspath(root), os.path.realpath(root))]  # noqa: PTH100
        if not roots:
            raise _outside(agent_file)
    for root in roots:
        real = os.path.realpath(root)
        path = os.path.realpath(os.path.join(root, agent_file))  # noqa: PTH118
        if not _inside(path, real):
            raise _outside(agent_file)
        if os.path.lexists(path):
            return Place(real, path)
    return None


def bad(shown: str, message: str) -> BadRequest:
    """Return the 400 for an agent_file."""
    return BadRequest(f"agent_file {shown[:200]!r} {message}", field="agent_file")


def _refuse_form(agent_file: str) -> None:
    if not agent_file.strip():
        raise bad(agent_file, "is empty; give a path such as agents.yaml")
    if _UNNAMEABLE.search(agent_file):
        raise bad(agent_file, "is no file name")
    if len(agent_file) > 1024:
        raise bad(agent_file, "is longer than 1024 characters")
    if ".." in agent_file.split("/"):
        raise bad(agent_file, "must not hold '..'")


def _refuse_special(found: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise bad(shown, "is a directory; name a file in it")
    if stat.S_ISLNK(found.st_mode):
        raise bad(shown, "is a symlink that leads nowhere")
    if not stat.S_ISREG(found.st_mode):
        raise bad(shown, "is not a regular file")
    if found.st_size > MAX_BYTES:
        raise bad(shown, f"is larger than {MAX_BYTES // 1024} KiB")


def _outside(shown: str) -> BadRequest:
    return bad(shown, "is outside the agent roots; start praisonrun there, or add its folder to the roots")


def _inside(path: str, *roots: str) -> bool:
    return any(os.path.commonpath([os.path.normpath(path), root]) == root for root in roots)


def _text(descriptor: int, shown: str) -> str:
    """Return what an open file holds, and close it."""
    data = b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError("not a regular file", place=FaultPlace(shown))
        while len(data) <= MAX_BYTES and (part := os.read(descriptor, MAX_BYTES + 1 - len(data))):
            data += part
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        limit = f"{MAX_BYTES // 1024} KiB"
        raise ConfigError(f"larger than {limit}; an agents file is small", place=FaultPlace(shown, 1, 1))
    return _decoded(data, shown)


def _decoded(data: bytes, shown: str) -> str:
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError("is UTF-16; save the file as UTF-8", place=FaultPlace(shown, 1, 1)) from None
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(
            "not UTF-8; save the file as UTF-8", place=FaultPlace(shown, line, column)
        ) from None
