"""`praisonrun up`: have a server that stays, whoever started it, and say where it is."""

from __future__ import annotations

from pathlib import Path

from ..config.discovery import Named
from ..core.errors import ConfigError
from .client import Client
from .info import print_info
from .screen import Screen
from .start import Wanted, answered, serving


def up(named: Named, agents: Path | None, *, as_json: bool) -> int:
    """Have a server in the background until it is stopped: one that would leave when it is idle stays, too.

    Print its address, or what `info --json` prints; return 0.
    """
    if named.url is not None:
        raise ConfigError("--url: only a server of this machine can be started; name its --state")
    wanted = Wanted(named, agents, stays=True)
    base = answered(lambda: _asked(wanted))
    if as_json:
        return print_info(named, as_json=True)
    print(base)
    return 0


def _asked(wanted: Wanted) -> str:
    screen = Screen()
    with serving(wanted, screen.note) as found, Client(found) as client:
        if client.call("POST", "/api/v1/stay")["changed"]:
            screen.note(f"the server at {found.base} stays until it is stopped, also when it is idle")
        return found.base
