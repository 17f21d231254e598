"""`praisonrun up`: have a server, whoever started it, and say where it is."""

from __future__ import annotations

from pathlib import Path

from ..config.discovery import Named
from ..core.errors import ConfigError
from .client import Client
from .info import print_info
from .screen import Screen
from .start import Wanted, answered, serving


def up(named: Named, agents: Path | None, *, as_json: bool) -> int:
    """Start a server in the background if none is up; print its address, or what `info --json` prints."""
    if named.url is not None:
        raise ConfigError("--url: only a server of this machine can be started; name its --state")
    wanted = Wanted(named, agents, stays=True)
    base = answered(lambda: _asked(wanted))
    if as_json:
        return print_info(named, as_json=True)
    print(base)
    return 0


def _asked(wanted: Wanted) -> str:
    with serving(wanted, Screen().note) as found, Client(found) as client:
        client.agents()
        return found.base
