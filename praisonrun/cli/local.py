"""Servers on this machine: which one a command means, and the end of one."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..config import discovery, private_file
from ..config.discovery import Named
from ..config.settings import PORT, Settings, make, url
from ..core.errors import ConfigError, Unavailable, counted
from .proof import Target, no_server

STOP_SECONDS = 30.0
POLL = 0.02
_URL = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~-]*)?")


def settings_of(named: Named, agents: Path | None = None) -> Settings:
    """Return the settings of the server that a command would start, on a free port if none is named."""
    token = os.environ.get("PRAISONRUN_TOKEN") or None
    own = {"host": named.host, "state": named.state, "token_file": named.token_file, "token": token}
    return make(port=named.port or 0, agents=agents, **own)


def usual(named: Named, settings: Settings) -> Settings:
    """Return the settings, with the usual port if that is free and neither port nor state is named."""
    if named.port is None and named.state is None:
        with suppress(OSError), socket.create_server((settings.host, PORT)):
            return replace(settings, port=PORT)
    return settings


def find(named: Named, settings: Settings) -> Target | None:
    """Return the server of --url, else the one that holds the state directory; None where there is none.

    Raises ConfigError for one that is not at the host and port that are named.
    """
    if named.url is not None:
        return _remote(named.url, settings)
    found = discovery.find(settings.state, discovery.holder(settings.state))
    if found is None:
        return None
    port = found.port if named.port is None else named.port
    if port != found.port or (named.host and url(settings.host, port) != found.url):
        raise ConfigError(
            f"the server of {settings.state} listens at {found.url}: leave --host and --port out, or name "
            "the --state of the one that you mean (for another machine: --url and --token-file)"
        )
    token = settings.token
    if token is None and found.token_file:
        token = private_file.read(Path(found.token_file), "--token-file")
    return Target(found.url, token, settings.state, found)


def target(named: Named) -> Target:
    """Return the server that a command talks to. Raises ConfigError, Unavailable where there is none."""
    settings = settings_of(named)
    found = find(named, settings)
    if found is None:
        raise no_server(settings.state)
    return found


def _remote(base: str, settings: Settings) -> Target:
    if not _URL.fullmatch(base):
        raise ConfigError(f"--url {base}: must be an http or https URL, such as https://box.example:8005")
    if settings.token_file is None:
        raise ConfigError("--url needs --token-file FILE: a server on another machine is known by its token")
    return Target(base, settings.token)


def counted_live(live: Mapping[str, str]) -> str:
    """Return how many runs and services there are (id to mode): `2 runs and 1 service`."""
    counts = Counter(live.values())
    return " and ".join(counted(counts[mode], mode) for mode in sorted(counts)) or "0 runs"


def end(state: Path, pid: int) -> bool:
    """Ask the server that holds `state` to stop; return whether it is gone within STOP_SECONDS."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it stopped meanwhile
        pass
    except PermissionError:
        raise Unavailable(f"the server (pid {pid}) belongs to another user") from None
    return until(lambda: discovery.holder(state) != pid, STOP_SECONDS)


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true, for so many seconds at most; return whether it is."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
