"""The server that `run` and `up` talk to: the one that is up, else one that they start in the background.

A server that `run` started has the agents of its directory, and stops once it is idle. Commands take turns
by the lock of its log: who starts a server, or replaces one, holds it alone; who uses one that may be
replaced shares it until its run was taken. So of several first runs one starts a server, and no run comes
to the agents of another directory.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..config import discovery
from ..config.discovery import INSIDE, Listening, Named
from ..config.settings import Settings
from ..core.errors import ConfigError, NoServer, Unavailable
from . import background
from .background import LOG, START_SECONDS, log_of, take
from .client import Client
from .local import counted_live, end, find, settings_of, until, usual
from .proof import Target, no_server

T = TypeVar("T")
IDLE = "10m"
"""How long a server that `run` starts stays without anything to do."""


@dataclass(frozen=True)
class Wanted:
    """The server that a command wants."""

    named: Named
    agents: Path | None = None
    """The agents file that the command line names."""
    start: bool = True
    """Whether one may be started."""
    stays: bool = False
    """Whether one that is started stays until it is stopped; the one that is up will do, whatever it is."""

    @cached_property
    def file(self) -> Path | None:
        """The agents file that a server would take which is started here."""
        given = os.environ.get("PRAISONRUN_AGENTS")
        return self.agents or (Path(given) if given else self.settings.agents)

    @cached_property
    def settings(self) -> Settings:
        """The settings of a server that is started."""
        return settings_of(self.named, self.agents)

    @property
    def idle(self) -> str:
        """How long it stays without anything to do."""
        return os.environ.get("PRAISONRUN_IDLE_EXIT") or IDLE


@contextmanager
def serving(wanted: Wanted, tell: Callable[[str], None]) -> Iterator[Target]:
    """Have a server inside this block that no command replaces. Raises NoServer, Unavailable, ConfigError."""
    found = _found(wanted)
    if found is not None and not _leaves(found):
        yield found
        return
    state = wanted.settings.state
    if found is None:
        _check(wanted, state)
    with log_of(state) as log:
        take(log, fcntl.LOCK_SH)
        found = _found(wanted)
        if found is None or _unfit(found, wanted):
            take(log, fcntl.LOCK_EX)
            found = _started(wanted, tell)
        yield found


def answered(ask: Callable[[], T]) -> T:
    """Return what is answered; ask once more if the server left, idle, just before it was asked."""
    try:
        return ask()
    except NoServer:
        return ask()


def has_other_agents(found: Target, file: Path | None) -> bool:
    """Say whether a server's agents are not those of a file; False for no file."""
    if file is None:
        return False
    with suppress(OSError):
        if found.listening is not None and found.listening.agents_file is not None:
            return not file.samefile(found.listening.agents_file)
    return True


def _found(wanted: Wanted) -> Target | None:
    return find(wanted.named, wanted.settings)


def _leaves(found: Target) -> bool:
    """Say whether a server stops when it is idle."""
    return found.listening is not None and found.listening.idle_exit is not None


def _check(wanted: Wanted, state: Path) -> None:
    """Raise NoServer where none may be started."""
    if not wanted.start:
        raise no_server(state)
    if INSIDE in os.environ:
        how = "name the --state of the one that is up"
        raise NoServer(f"no server runs on {state}, and inside a run ({INSIDE}) none is started: {how}")


def _unfit(found: Target, wanted: Wanted) -> bool:
    may = wanted.start and not wanted.stays and INSIDE not in os.environ
    return may and _leaves(found) and has_other_agents(found, wanted.file)


def _started(wanted: Wanted, tell: Callable[[str], None]) -> Target:
    """Return the server that another command has started meanwhile, else start one."""
    settings, instead = wanted.settings, ""
    # One that is starting, or about to leave.
    until(lambda: _found(wanted) is not None or discovery.holder(settings.state) is None, START_SECONDS)
    first = usual(wanted.named, settings)
    if (found := _found(wanted)) is not None:
        if not _unfit(found, wanted) or not _ended(found, wanted):
            return found
        assert found.listening is not None
        first = settings = replace(settings, port=found.listening.port)  # its clients come back to it
        instead = f" instead of the idle one with {_agents(found.listening)}"
    target = _start(first, settings, wanted)
    stays = "" if wanted.stays else f", which stays until it is idle for {wanted.idle}"
    tell(f"started a server at {target.base}{instead}{stays}; log: {settings.state / LOG}")
    return target


def _start(first: Settings, settings: Settings, wanted: Wanted) -> Target:
    extra = ["--agents", str(wanted.agents.absolute())] if wanted.agents else []
    extra += [] if wanted.stays else ["--idle-exit", wanted.idle]
    try:
        return background.start(first, extra, lambda: _found(wanted))
    except Unavailable:
        if first.port == settings.port:
            raise
        return _start(settings, settings, wanted)  # somebody was quicker at the usual port, perhaps


def _ended(found: Target, wanted: Wanted) -> bool:
    """Stop a server if it has nothing to do. Raises ConfigError if it has, and nobody chose its agents."""
    assert found.listening is not None
    with Client(found, tries=3) as client:
        live = client.live()
    if not live:
        if not end(wanted.settings.state, found.listening.pid):
            raise Unavailable(f"the server (pid {found.listening.pid}) has not stopped yet; try again")
        return True
    if wanted.agents is None:
        raise ConfigError(
            f"the server at {found.base} has {_agents(found.listening)}, not those of {wanted.file}, and "
            f"{counted_live(live)} to do: wait, stop it (praisonrun stop), or choose with --agents FILE"
        )
    return False


def _agents(listening: Listening) -> str:
    return f"the agents of {listening.agents_file}" if listening.agents_file else "the built-in agent"
