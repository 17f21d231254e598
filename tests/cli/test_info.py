"""`--version`, `info` and `service-file`: what they say, and that systemd and launchd take it."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from praisonrun import __version__
from praisonrun.cli import service_file

from ..rigs.harness import Server, code_of


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert code_of(*arguments) == 0
    return capsys.readouterr().out


def test_the_version_names_the_form_and_what_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "--version")
    assert shown.startswith(f"praisonrun {__version__} (source tree, Python 3.")
    assert "SQLite 3." in shown
    assert "OpenSSL " in shown


def test_the_single_file_is_known_by_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ID").write_text("0.2.0-0123456789abcdef")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setitem(sys._xoptions, "praisonrun", "/opt/praisonrun")
    shown: dict[str, Any] = json.loads(said(capsys, "info", "--json", "--state", str(tmp_path / "state")))
    assert (shown["form"], shown["file"], shown["unpacked"]) == (
        "single file",
        "/opt/praisonrun",
        str(tmp_path),
    )
    assert shown["server"] is None
    assert not (tmp_path / "state").exists()


def test_info_shows_the_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "info", "--state", str(server.state))
    assert server.process is not None
    assert f"{server.url} (pid {server.process.pid}, version {__version__}, since 20" in text
    assert "one connection writes and checkpoints" in text


def test_info_asks_the_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.ended(server.submit("quick"))
    server.submit("wait")
    where = ("--state", str(server.state))
    assert said(capsys, "pause", "echo", *where)
    text = said(capsys, "info", *where)
    assert "  runs       1 running of at most " in text
    assert ", 0 queued, 1 succeeded\n" in text
    assert "  queue      paused for echo; praisonrun resume AGENT\n" in text
    shown = json.loads(said(capsys, "info", "--json", *where))
    assert (shown["health"]["runs"]["running"], shown["queue"]["running"], shown["problem"]) == (1, 1, None)


def test_info_says_why_it_cannot_ask(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("praisonrun.config.discovery.API_VERSION", 99)
    assert code_of("info", "--state", str(server.state)) == 1
    told = capsys.readouterr().out
    assert f"(version {__version__}) speaks API 2, and this praisonrun API 99; stop" in told


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pr%n $HOME"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "praisonrun.service"
    unit.write_text(service_file.systemd([str(program), "serve", "--state", '100% $x\\y"'], "/a b:/usr/bin"))
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    verify = ["systemd-analyze", "--user", "verify", str(unit)]
    done = subprocess.run(verify, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    program.chmod(0o600)
    assert subprocess.run(verify, env=environ, capture_output=True).returncode != 0


def test_the_unit_leaves_runs_alive(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "service-file", "systemd", "--", "--agents", "/srv/my agents.yaml")
    assert "\nKillMode=process\n" in shown
    assert ' serve --agents "/srv/my agents.yaml"\n' in shown
    assert f"\nEnvironment=PATH={os.environ['PATH']}" in shown


def test_the_property_list_starts_the_same_command(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = plistlib.loads(said(capsys, "service-file", "launchd", "--", "--port", "8006").encode())
    assert wanted["ProgramArguments"][-3:] == ["serve", "--port", "8006"]
    assert wanted["AbandonProcessGroup"] is True
    assert os.access(wanted["ProgramArguments"][0], os.X_OK)


def test_what_is_printed_for_a_file_is_also_json(capsys: pytest.CaptureFixture[str]) -> None:
    unit = json.loads(said(capsys, "service-file", "systemd", "--json"))
    assert (unit["manager"], Path(unit["file"]).name) == ("systemd", "praisonrun.service")
    assert unit["text"].strip() == said(capsys, "service-file", "systemd").strip()
    shell = json.loads(said(capsys, "completion", "fish", "--json"))
    assert (shell["shell"], Path(shell["file"]).name) == ("fish", "praisonrun.fish")
    assert shell["text"].strip() == said(capsys, "completion", "fish").strip()
