"""A server in the background: its command line, its log, and the lock by which commands take turns."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..config import discovery
from ..config.settings import Settings, here
from ..core.errors import Unavailable
from .local import until
from .proof import Target
from .text import plain

LOG = "server.log"
START_SECONDS = 20.0
RIVAL_SECONDS = 3.0
LOG_BYTES = 4 << 20
"""Bytes of a log beyond which its older half goes at the next start."""


@contextmanager
def log_of(state: Path) -> Iterator[BinaryIO]:
    """Open the log of a state directory, which is made if need be. Raises ConfigError where it cannot be."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        state.mkdir(0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / LOG, flags, 0o600)
    except OSError as error:
        raise discovery.unusable(state, error) from None
    with os.fdopen(descriptor, "r+b", 0) as log:
        yield log


def take(log: BinaryIO, how: int) -> None:
    """Lock a log until it is closed: `how` is LOCK_SH or LOCK_EX. Raises Unavailable after a while."""

    def taken() -> bool:
        with suppress(BlockingIOError):
            fcntl.flock(log, how | fcntl.LOCK_NB)
            return True
        return False

    if not until(taken, 2 * START_SECONDS):
        raise Unavailable("another command is starting a server and does not come to its end; try again")


def start(settings: Settings, extra: Sequence[str], found: Callable[[], Target | None]) -> Target:
    """Start a server; return it, or another that came first, once it is `found`.

    Raises Unavailable with the last line of the log if there is none, ConfigError if there can be no log.
    """
    with log_of(settings.state) as log:  # not the locked one, which the server would keep open
        _cut(log)
        words = command(settings, extra)
        server = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: found() is not None or server.poll() is not None, START_SECONDS)
        # A server that ended at once may have met another one that was just starting.
        until(lambda: found() is not None, RIVAL_SECONDS)
        if (target := found()) is None:
            raise Unavailable(_why(settings.state / LOG))
    except BaseException:
        _stop(server)
        raise
    server.returncode = server.poll() or 0  # it is nobody's child from now on
    return target


def _why(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
    return f"the server did not start: {plain(lines[-1]).removeprefix('praisonrun: ')} (log: {log})"


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(START_SECONDS)


def _cut(log: BinaryIO) -> None:
    """Drop the older half of a log that has become large. No server writes to it now."""
    if (size := os.fstat(log.fileno()).st_size) > LOG_BYTES:
        rest = os.pread(log.fileno(), size, size - LOG_BYTES // 2 - 1)
        os.ftruncate(log.fileno(), 0)
        os.write(log.fileno(), rest[rest.find(b"\n") + 1 :])


def command(settings: Settings, extra: Sequence[str] = ()) -> list[str]:
    """Return the command line of a server; everything else comes from the environment, as for any server."""
    # A module in the user's directory must not replace one of ours. The single file is isolated anyway.
    isolated = ["-I"] if sys.flags.isolated else ["-P"]
    safe = [] if str(Path(__file__).parents[2]) == here() else isolated
    words = [sys.executable, *safe, "-m", "praisonrun", "serve"]
    words += ["--host", settings.host, "--port", str(settings.port), "--state", str(settings.state)]
    return [*words, *(["--token-file", str(settings.token_file)] if settings.token_file else []), *extra]
