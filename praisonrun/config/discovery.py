"""server.json in the state directory: where its server listens, for tools that do not know the port.

The file is a hint: its pid must be that of the lock's holder, so what a crash left behind is ignored.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from . import private_file

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
    """Write the file. Raises OSError."""
    private_file.write(state / FILE, f"{json.dumps(asdict(listening), indent=2)}\n".encode())


def remove(state: Path) -> None:
    """Remove the file if this process wrote it."""
    if find(state, os.getpid()) is not None:
        (state / FILE).unlink(missing_ok=True)


def find(state: Path, holder: int | None) -> Listening | None:
    """Return what server.json says, or None unless the lock's `holder` (a pid) wrote it.

    A file that is malformed, special or another user's counts as missing.
    """
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
        found = Listening(**{field.name: given[field.name] for field in fields(Listening)})
        if isinstance(found.url, str) and holder is not None and found.pid == holder:
            return found
    return None
