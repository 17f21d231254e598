"""`init` writes an agents file that is good, of what is on PATH, and never over another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from praisonrun.agents import recipes
from praisonrun.agents.check import check
from praisonrun.agents.schema import schema
from praisonrun.cli.init import SCHEMA

from ..rigs.harness import code_of


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of its own, and an empty current directory."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "bin"


def test_what_is_on_path_is_offered_and_starts(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in {recipes.builtin(one).program for one in recipes.names()}:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    assert code_of("init") == 0
    out, err = capsys.readouterr()
    assert out.startswith("wrote agents.yaml: claude, codex, ")
    assert err == ""
    report = check(Path("agents.yaml"), {"PATH": f"{programs}:/usr/bin:/bin"})
    assert (report.default, report.ok) == ("claude", True)
    assert {note[:13] for agent in report.agents for note in agent.warnings} == {"no sign-in of"}
    assert {"claude", "codex", "hello", "aider"} <= {agent.name for agent in report.agents}
    assert {agent.name for agent in report.agents}.isdisjoint({"cline", "kimi", "openhands"})
    assert "approve: all}" not in Path("agents.yaml").read_text()
    assert Path("agents.yaml").read_text().startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert json.loads(Path(SCHEMA).read_text()) == schema()


def test_nothing_on_path_gives_the_demo(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("init", "--json", "mine.yaml") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"file": "mine.yaml", "schema": SCHEMA, "agents": ["hello"], "default": "hello"}
    assert err == ""
    assert check(Path("mine.yaml"), {"PATH": "/bin"}).ok


def test_what_is_there_is_never_written_over(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("agents.yaml").symlink_to("gone")
    assert code_of("init") == 1
    assert "agents.yaml is there already and stays as it is; praisonrun check says" in capsys.readouterr().err
    assert not Path("gone").exists()
    assert not Path(SCHEMA).exists()
    Path(SCHEMA).write_text("mine")
    assert code_of("init", "other.yaml") == 0
    assert Path(SCHEMA).read_text() == "mine"
    assert capsys.readouterr().out == "wrote other.yaml: hello (default hello)\n"
