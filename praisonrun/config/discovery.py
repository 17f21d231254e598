"""server.json in the state directory: where its server listens, for tools that do not know the port.

The file is a hint. The lock of the state directory says whether the server is alive: the pid in the file must
be the pid of the lock's holder, so a file that a crash left behind is ignored.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE = "server.json"
LOCK = "server.lock"
"""A server locks this file exclusively and writes its pid there. A command shares it for an instant."""
MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """The content of server.json."""

    url: str
    port: int
    pid: int
    version: str
    started_at: str
    """RFC 3339, UTC."""
    token_file: str | None = None
    """Path of the token's file; null without a token, or when it came from the environment."""


def write(state: Path, listening: Listening) -> None:
    """Write the file with mode 0600, whole or not at all. Raises OSError."""
    part = state / f"{FILE}.{os.getpid()}.part"
    part.unlink(missing_ok=True)
    created = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(created, "w", encoding="utf-8") as file:
        json.dump(asdict(listening), file, indent=2)
        file.write("\n")
    part.replace(state / FILE)


def remove(state: Path) -> None:
    """Remove the file if this process wrote it."""
    found = _read(state)
    if found is not None and found.pid == os.getpid():
        (state / FILE).unlink(missing_ok=True)


def find(state: Path, holder: int | None) -> Listening | None:
    """Return what server.json says, or None unless the lock's `holder` (a pid) wrote it."""
    found = _read(state)
    return found if found is not None and found.pid == holder else None


def _read(state: Path) -> Listening | None:
    """Return the file's content, or None if it is missing, malformed, special or another user's."""
    try:
        descriptor = os.open(state / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        data = file.read(MAX_BYTES)
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        given = json.loads(data)
        made = Listening(**{field.name: given[field.name] for field in fields(Listening)})
        if isinstance(made.url, str) and isinstance(made.pid, int):
            return made
    return None
