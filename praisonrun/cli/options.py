"""How flags are made, and the flags that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(readable=False, path_type=Path)  # whoever opens it says what is wrong, in one line


def setting(flag: str, *names: str, **given: Any) -> Callable[[Command], Command]:
    """Return an option that its variable sets, too: `--min-free` and PRAISONRUN_MIN_FREE."""
    variable = "PRAISONRUN" + flag.removeprefix("-").replace("-", "_").upper()
    return click.option(flag, *names, envvar=variable, show_envvar=True, **given)


state = setting(
    "--state", type=PATH, metavar="DIR", help="Where runs are kept (default: your state directory)."
)


def target(command: Command) -> Command:
    """Give a command the options that find a server: host, port and state."""
    host = setting("--host", help="Address of the server (default: the state directory's).")
    port = setting("--port", type=click.IntRange(1, 65535), metavar="N", help="Its port (default: likewise).")
    return host(port(state(command)))
