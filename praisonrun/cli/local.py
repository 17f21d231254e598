"""Servers on this machine: which one a command means, `praisonrun stop`, and starting one."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..config import discovery, private_file
from ..config.settings import Settings, make, url
from ..core.errors import ConfigError, Unavailable, counted, reason
from .client import Client, Pause
from .screen import plain

START_SECONDS = 20.0
RIVAL_SECONDS = 3.0
STOP_SECONDS = 30.0
POLL = 0.02
CANCEL_SECONDS = 120.0
CANCEL_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to, and the settings that would start it."""

    settings: Settings
    base: str
    token: str | None = field(default=None, repr=False)


def target(
    state: Path | None,
    host: str | None,
    port: int | None,
    agents: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Target:
    """Return the server at host and port, else the one that holds the state directory. Raises ConfigError."""
    named = environ.get("PRAISONRUN_TOKEN_FILE")
    secret = {"token": environ.get("PRAISONRUN_TOKEN") or None, "token_file": Path(named) if named else None}
    settings = make(host=host, port=port, state=state, agents=agents, **secret)
    base = url(settings.host, settings.port)
    found = discovery.find(settings.state, holder(settings.state))
    if found is not None and host is None and port is None:
        base = found.url
    token = settings.token
    if token is None and found is not None and found.token_file and found.url == base:
        token = private_file.read(Path(found.token_file), "--token-file")
    return Target(settings, base, token)


def holder(state: Path) -> int | None:
    """Return the pid of the server that holds a state directory, or None. Raises ConfigError."""
    try:
        with (state / discovery.LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read(32)  # empty between the server's lock and its first write
                return int(text) if text.strip().isdigit() else None
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise _unusable(state, error) from None
    return None


def stop(state: Path | None, host: str | None, port: int | None, *, cancel: bool = False) -> int:
    """Stop the server of a state directory; print one line; return 0, or 1 when there is none."""
    meant = target(state, host, port)
    directory = meant.settings.state
    pid = holder(directory)
    if pid is None:
        print(f"no server runs on {directory}")
        return 1
    cancelled = ""
    if cancel:
        with Client(meant.base, token=meant.token, tries=3) as client:
            cancelled = f", {counted_live(cancel_all(client))} cancelled"
    if not end(directory, pid):
        raise Unavailable(f"the server (pid {pid}) has not stopped yet")
    print(f"stopped (pid {pid}){cancelled}")
    return 0


def counted_live(live: Mapping[str, str]) -> str:
    """Return how many runs and services there are (id to mode): `2 runs and 1 service`."""
    counts = Counter(live.values())
    return " and ".join(counted(counts[mode], mode) for mode in sorted(counts)) or "0 runs"


def cancel_all(client: Client, pause: Pause = time.sleep) -> Mapping[str, str]:
    """Cancel all that is live, wait until it has ended, return it: id to mode. Raises Unavailable."""
    deadline = time.monotonic() + CANCEL_SECONDS
    asked: dict[str, str] = {}
    while live := client.live():
        for run_id in sorted(live.keys() - asked.keys()):
            client.cancel(run_id, wait=False)
        asked |= live
        if time.monotonic() > deadline:
            left = counted_live(live)
            raise Unavailable(f"cancelled, but not ended yet: {left}; the server is still running")
        pause(CANCEL_POLL)
    return asked


def end(state: Path, pid: int) -> bool:
    """Ask the server that holds `state` to stop; return whether it is gone within STOP_SECONDS."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it stopped meanwhile
        pass
    except PermissionError:
        raise Unavailable(f"the server (pid {pid}) belongs to another user") from None
    return _until(lambda: holder(state) != pid, STOP_SECONDS)


class StartedServer:
    """A server that a command started. It logs to the state directory. Raises ConfigError where it cannot."""

    def __init__(self, settings: Settings, agents: Path | None) -> None:
        self.log = settings.state / "server.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            settings.state.mkdir(0o700, parents=True, exist_ok=True)
            out = os.open(self.log, flags, 0o600)
        except OSError as error:
            raise _unusable(settings.state, error) from None
        with os.fdopen(out, "wb") as log:
            words = command(settings, agents)
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, client: Client) -> None:
        """Wait until a server answers. Raises Unavailable with the log's last line when none does."""
        told = _until(lambda: client.alive() or self._process.poll() is not None, START_SECONDS)
        # A server that ended at once may have met another one that was just starting.
        if not (told and _until(client.alive, RIVAL_SECONDS)):
            lines = self.log.read_text(errors="replace").splitlines() or ["it printed nothing"]
            last = plain(lines[-1]).removeprefix("praisonrun: ")
            raise Unavailable(f"the server did not start: {last} (log: {self.log})")

    def stop(self) -> bool:
        """Stop it if it is still running; return whether it is gone within STOP_SECONDS."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        return self._process.returncode is not None


def command(settings: Settings, agents: Path | None) -> list[str]:
    """Return the command line of a server; everything else comes from the environment, as for any server."""
    # A module in the user's directory must not replace one of ours. The single file is isolated anyway.
    isolated = ["-I"] if sys.flags.isolated else ["-P"]
    safe = [] if Path(__file__).parents[2] == Path.cwd() else isolated
    words = [sys.executable, *safe, "-m", "praisonrun", "serve"]
    words += ["--host", settings.host, "--port", str(settings.port), "--state", str(settings.state)]
    return words + (["--agents", str(agents.absolute())] if agents else [])


def _unusable(state: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot use {state} as the state directory: {reason(error)}; choose another with --state DIR"
    )


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
