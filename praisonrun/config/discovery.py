"""server.json in the state directory: where its server listens, and how it proves that it is that one.

Its pid must be that of the lock's holder, so what a crash left behind is ignored. Who answers at its address
must know its secret: a command sends a challenge, and nothing else before the right proof came back.
"""

from __future__ import annotations

import errno
import fcntl
import hmac
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import BinaryIO

from ..core.errors import ConfigError, reason
from . import private_file

FILE = "server.json"
LOCK = "server.lock"
"""A server locks this file exclusively and writes its pid there. A command shares it for an instant."""
MAX_BYTES = 16 * 1024
PROOF_PATH = "/api/v1/info"
INSIDE = "PRAISONRUN_RUN_ID"
"""The variable that every process of a run has. Inside a run no server is started."""
API_VERSION = 2
"""What commands and server of one machine speak; they talk to no other version."""


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
    store: str = ""
    """The id of the state directory's database."""
    secret: str = field(default="", repr=False)
    """32 hex digits, new at each start. Empty: a server of before 0.2.0, which cannot prove itself."""
    agents_file: str | None = None
    """Path of the agents file; null for the built-in agent."""
    idle_exit: int | None = None
    """Seconds after which it stops when it is idle."""

    def public(self) -> dict[str, object]:
        """Return what may be shown."""
        return {name: value for name, value in asdict(self).items() if name != "secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The flags by which a command names a server."""

    state: Path | None = None
    host: str | None = None
    port: int | None = None
    token_file: Path | None = None
    url: str | None = None


def proof(secret: str, port: int, challenge: str) -> str:
    """Return what only the server with this secret can answer to a challenge; a relay has another port."""
    return hmac.digest(secret.encode(), f"{challenge}:{port}".encode(), "sha256").hex()


def write(state: Path, listening: Listening) -> None:
    """Write the file. Raises OSError."""
    private_file.write(state / FILE, f"{json.dumps(asdict(listening), indent=2)}\n".encode())


def remove(state: Path) -> None:
    """Remove the file if this process wrote it."""
    if find(state, os.getpid()) is not None:
        (state / FILE).unlink(missing_ok=True)


def find(state: Path, holder: int | None) -> Listening | None:
    """Return what server.json says, or None unless the lock's `holder` (a pid) wrote it.

    A file that is malformed, special, another user's or open to one counts as missing.
    """
    with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
        with open_own(state / FILE) as file:
            private = not os.fstat(file.fileno()).st_mode & 0o077
            given = json.loads(file.read(MAX_BYTES))
        found = Listening(**{each.name: given[each.name] for each in fields(Listening) if each.name in given})
        texts = isinstance(found.url, str) and isinstance(found.secret, str)
        if private and texts and holder is not None and found.pid == holder:
            return found
    return None


def holder(state: Path) -> int | None:
    """Return the pid of the server that holds a state directory, or None. Raises ConfigError."""
    try:
        with open_own(state / LOCK) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read(32)  # empty between the server's lock and its first write
                return int(text) if text.strip().isdigit() else None
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise unusable(state, error) from None
    return None


def unusable(state: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot use {state} as the state directory: {reason(error)}; choose another with --state DIR"
    )


def open_own(path: Path) -> BinaryIO:
    """Open a regular file of this user. Raises OSError for anything else; never waits for a FIFO's writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        file.close()
        raise PermissionError(errno.EPERM, "not a regular file of this user", str(path))
    return file
