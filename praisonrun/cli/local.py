"""Servers on this machine: who holds a state directory, how to start a server, how to stop one."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..config.discovery import LOCK
from ..config.settings import Settings
from ..core.errors import ConfigError, Unavailable, reason
from .client import Client, Pause
from .screen import plain

LOG = "server.log"
START_SECONDS = 20.0
RIVAL_SECONDS = 3.0
STOP_SECONDS = 30.0
POLL = 0.02


def holder(state: Path) -> int | None:
    """Return the pid of the server that holds a state directory, or None.

    Raises ConfigError for a directory that cannot be looked at.
    """
    try:
        lock = os.open(state / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(state, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(os.read(lock, 32))
    except OSError as error:
        raise _unusable(state, error) from None
    finally:
        os.close(lock)
    return None


def _pid(text: bytes) -> int | None:
    # The file is empty between the server's lock and its first write.
    return int(text) if text.strip().isdigit() else None


def end(state: Path, pid: int, pause: Pause = time.sleep) -> bool:
    """Ask the server that holds `state` to stop; return whether it is gone within STOP_SECONDS."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it stopped meanwhile
        pass
    except PermissionError:
        raise Unavailable(f"the server (pid {pid}) belongs to another user") from None
    return _until(lambda: holder(state) != pid, STOP_SECONDS, pause)


class StartedServer:
    """A server that a command started for itself, apart from the terminal. It logs to the state directory.

    Raises ConfigError when the state directory cannot be written to.
    """

    def __init__(self, settings: Settings, agents: Path | None) -> None:
        self.log = settings.state / LOG
        try:
            out = _open_log(self.log)
        except OSError as error:
            raise _unusable(settings.state, error) from None
        try:
            self._process = subprocess.Popen(
                command(settings, agents),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        finally:
            os.close(out)

    def wait(self, client: Client, pause: Pause = time.sleep) -> None:
        """Wait until a server answers. Raises Unavailable with the log's last line when none does."""
        if _until(lambda: client.alive() or self._process.poll() is not None, START_SECONDS, pause) and (
            # A server that ended at once may have met another one that was just starting.
            _until(client.alive, RIVAL_SECONDS, pause)
        ):
            return
        raise Unavailable(f"the server did not start: {_last_line(self.log)} (log: {self.log})")

    def stop(self) -> bool:
        """Stop it if it is still running; return whether it is gone within STOP_SECONDS."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True


def command(settings: Settings, agents: Path | None) -> list[str]:
    """Return the command line of a server; everything else comes from the environment, as for any server."""
    # A module in the user's directory must not replace one of ours. The single file is isolated anyway.
    isolated = ["-I"] if sys.flags.isolated else ["-P"]
    safe = [] if Path(__file__).parents[2] == Path.cwd() else isolated
    words = [sys.executable, *safe, "-m", "praisonrun", "serve"]
    words += ["--host", settings.host, "--port", str(settings.port), "--state", str(settings.state)]
    return words + (["--agents", str(agents.absolute())] if agents else [])


def _open_log(log: Path) -> int:
    log.parent.mkdir(0o700, parents=True, exist_ok=True)
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _unusable(state: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot use {state} as the state directory: {reason(error)}; choose another with --state DIR"
    )


def _until(true: Callable[[], bool], seconds: float, pause: Pause) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        pause(POLL)
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return plain(lines[-1]).removeprefix("praisonrun: ") if lines else "it printed nothing"
