"""A server that `run` starts is where everybody looks for it, unless somebody else is there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from praisonrun.cli import local
from praisonrun.cli.local import settings_of, usual
from praisonrun.config.discovery import Named


@pytest.mark.parametrize(
    ("named", "taken", "port"),
    [
        (Named(), False, "usual"),
        (Named(), True, "free"),
        (Named(port=1234), False, 1234),
        (Named(state=Path("s")), False, "free"),
    ],
)
def test_the_port_of_a_server_that_run_starts(
    named: Named, taken: bool, port: int | str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        monkeypatch.setattr(local, "PORT", number)
        if not taken:
            held.close()
        wanted = {"usual": number, "free": 0}.get(str(port), port)
        assert usual(named, settings_of(named)).port == wanted
