"""`praisonrun service-file`: what systemd or launchd needs to keep a server up for one user."""

from __future__ import annotations

import os
import plistlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import form
from .pipe import print_object

_SYSTEMD = """\
# praisonrun service-file systemd > ~/.config/systemd/user/praisonrun.service
# systemctl --user enable --now praisonrun; to have it without a login, too: loginctl enable-linger
[Unit]
Description=praisonrun, a durable local agent runner

[Service]
ExecStart={command}
WorkingDirectory=%h
Environment={path}
# Keys for agents, as NAME=value, one a line. The file may be missing; nobody else should be able to read it.
EnvironmentFile=-%h/.config/praisonrun.env
# Only the server is stopped: its runs continue, and the next server finds them.
KillMode=process
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""


PLACES = {
    "systemd": "~/.config/systemd/user/praisonrun.service",
    "launchd": "~/Library/LaunchAgents/praisonrun.plist",
}
"""Where each manager looks for the file."""


def print_service_file(manager: str | None, arguments: Sequence[str], *, as_json: bool) -> int:
    """Print the file for `systemd`, `launchd` or what this system has; programs are found on this PATH."""
    command = [*form.program(), "serve", *arguments]
    path = os.environ.get("PATH", os.defpath)
    manager = manager or ("launchd" if sys.platform == "darwin" else "systemd")
    text = (systemd if manager == "systemd" else launchd)(command, path)
    if as_json:
        print_object({"manager": manager, "file": str(Path(PLACES[manager]).expanduser()), "text": text})
    else:
        print(text, end="")
    return 0


def systemd(command: Sequence[str], path: str) -> str:
    """Return a unit for `systemd --user`."""
    first, *others = (_quoted(word) for word in command)
    words = [first, *(word.replace("$", "$$") for word in others)]  # variables stand in arguments only
    return _SYSTEMD.format(command=" ".join(words), path=_quoted(f"PATH={path}"))


def launchd(command: Sequence[str], path: str) -> str:
    """Return a property list."""
    wanted = {
        "Label": "praisonrun",
        "ProgramArguments": list(command),
        "EnvironmentVariables": {"PATH": path},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "AbandonProcessGroup": True,  # its runs continue without it
        "StandardErrorPath": str(Path.home() / "Library/Logs/praisonrun.log"),
        "ProcessType": "Interactive",  # its agents are not to be slowed
    }
    return plistlib.dumps(wanted, sort_keys=False).decode()


def _quoted(word: str) -> str:
    """Return a word as systemd reads it: `%` begins a specifier, a backslash an escape."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return word if re.fullmatch(r"[\w./:=@+-]+", word) else f'"{escaped}"'
