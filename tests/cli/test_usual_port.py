"""A server that `run` starts is where everybody looks for it, unless somebody else is there."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from praisonrun.cli import background, local, run, start
from praisonrun.cli.local import settings_of, usual
from praisonrun.config.discovery import Named

from ..rigs.harness import swept


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


def test_who_comes_second_to_the_usual_port_takes_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Between the look and the start somebody takes the port."""
    for name in [name for name in os.environ if name.startswith("PRAISONRUN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(background, "RIVAL_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as held, swept(tmp_path / "s" / "praisonrun"):
        taken = held.getsockname()[1]
        monkeypatch.setattr(start, "usual", lambda _, settings: replace(settings, port=taken))
        assert run.run(run.RunFlags(prompt=("hi",), server=Named())) == 0
    said = capfd.readouterr().err
    assert "started a server at http://127.0.0.1:" in said
    assert f":{taken}," not in said
