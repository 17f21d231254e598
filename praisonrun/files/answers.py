"""The file that an agent reads the answers to its questions from: a line of JSON for each.

Each answer is in it once, whenever the server was killed: its id is looked for before it is appended, and a
line that is torn is cut off. What an agent put in its place is removed; no link is followed.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..core.json import Json
from .trees import DIRECTORY, is_own_file, remove_tree

ANSWERS = "answers.jsonl"
"""Its name in the run's folder."""
WINDOW = 2 * 1024 * 1024
"""Bytes of its end that are looked at: more than the answers that one call appends."""
MOST = 32
"""Answers that one call appends."""
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_OTHER = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""Something else has the file's name."""


def append(folder: str, replies: Sequence[Mapping[str, Json]]) -> None:
    """Append replies, at most MOST, that are not there yet, by their ids.

    Raises FileNotFoundError without a folder, OSError for what the system rejects: nothing is half written.
    """
    directory = os.open(folder, DIRECTORY)
    try:
        fd = _opened(directory, folder)
    finally:
        os.close(directory)
    try:
        end, known = _whole(fd)
        lines = [_line(reply) for reply in replies if reply["id"] not in known]
        _write(fd, b"".join(lines), end)
    finally:
        os.close(fd)


def remove(folder: str) -> None:
    """Remove the file, and the folder if it is empty then."""
    with suppress(OSError):
        remove_tree(f"{folder}/{ANSWERS}")
        Path(folder).rmdir()


def _opened(directory: int, folder: str) -> int:
    try:
        fd = os.open(ANSWERS, _OPEN, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno not in _OTHER:
            raise
    else:
        if is_own_file(os.fstat(fd)):
            return fd
        os.close(fd)
    remove_tree(f"{folder}/{ANSWERS}")
    return os.open(ANSWERS, _OPEN | os.O_EXCL, 0o600, dir_fd=directory)


def _whole(fd: int) -> tuple[int, set[str]]:
    """Return where the last whole line ends, and the ids of the lines before it, as far as is looked at."""
    size = os.fstat(fd).st_size
    start = max(0, size - WINDOW)
    data = os.pread(fd, size - start, start)
    end = data.rfind(b"\n") + 1
    known = set()
    for line in data[:end].splitlines():
        with suppress(ValueError, RecursionError, TypeError, KeyError):
            known.add(json.loads(line)["id"])
    return start + end, known


def _line(reply: Mapping[str, Json]) -> bytes:
    return json.dumps(reply, ensure_ascii=False).encode() + b"\n"


def _write(fd: int, data: bytes, end: int) -> None:
    """Write data in place of what is after `end`."""
    os.ftruncate(fd, end)
    try:
        if data and os.pwrite(fd, data, end) < len(data):
            raise OSError("the disk is full")
    except OSError:
        os.ftruncate(fd, end)
        raise
