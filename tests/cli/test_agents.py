"""`agents` and what shells complete: from a server, and from the file here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from praisonrun.cli.agents import row

from ..rigs.harness import Server, code_of
from ..rigs.places import ROOT
from ..rigs.terminal import Terminal

FILE = """
agents:
  claude: {command: [claude, -p]}
  key: {command: [cat], env_required: [API_TOKEN]}
  say: {command: [cat], description: Says what it is told}
"""


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert code_of(*words) == 0
    told = capsys.readouterr()
    return told.out, told.err


def test_agents_are_those_of_the_server(shared: Server, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "agents", "--state", str(shared.state))
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["echo"].split()[:4] == ["echo", "(default)", "run", "ready"]
    assert "cannot start  program 'no-such-program-anywhere' of agent 'gone' is not on PATH" in rows["gone"]
    assert "needs env     set SECRET, or" in rows["needy"]
    assert err == ""
    offer = json.loads(said(capsys, "agents", "--state", str(shared.state), "--json")[0])
    assert {agent["name"]: agent["problem"] for agent in offer["agents"]}["echo"] is None


def test_agents_without_a_server_are_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_TOKEN", raising=False)
    Path("agents.yaml").write_text(FILE)
    out, err = said(capsys, "agents", "--state", "none")
    assert "no server runs" in err
    assert out.splitlines()[3].split(maxsplit=3) == ["say", "run", "ready", "Says what it is told"]
    monkeypatch.setenv("PATH", "/none")
    offer = json.loads(said(capsys, "agents", "--state", "none", "--json")[0])
    claude = offer["agents"][0]
    assert (claude["install"], claude["default"]) == ("npm install -g @anthropic-ai/claude-code", True)
    assert row(claude)[2:] == ("cannot start", "npm install -g @anthropic-ai/claude-code")


def test_a_narrow_terminal_has_names_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(FILE)
    environ = {"PRAISONRUN_STATE": str(tmp_path / "state"), "API_TOKEN": ""}
    with Terminal("agents", cwd=tmp_path, columns=44, environ=environ) as shown:
        assert shown.end() == 0
        lines = shown.lines()
    assert lines[2].startswith("key               needs env     set API_T")
    assert all(len(line) <= 44 for line in lines)


def completed(server: Server, *words: str) -> list[str]:
    """Return what a shell is told when the last of the words is to be completed."""
    typed = {"COMP_WORDS": " ".join(("praisonrun", *words)), "COMP_CWORD": str(len(words))}
    environ = {
        **os.environ,
        **typed,
        "_PRAISONRUN_COMPLETE": "zsh_complete",
        "PRAISONRUN_STATE": str(server.state),
    }
    done = subprocess.run(
        [sys.executable, "-m", "praisonrun"],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_shells_complete_runs_and_agents(shared: Server) -> None:
    run_id = shared.submit("echo", "for a shell: one")
    ends = completed(shared, "attach", "")
    assert ends[:2] == ["plain", run_id[-6:]]
    assert ends[2].endswith("echo: for a shell: one")
    assert completed(shared, "run", "--agent", "need")[:2] == ["plain", "needy"]
    assert not any(completed(shared, "run", "--state", "/none", "--agent", "need"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"_PRAISONRUN_COMPLETE={shell}_complete" in said(capsys, "completion", shell)[0]


def test_known_lists_what_use_takes_also_recipes_of_one_s_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("description: Mine\ncommand: [cat]\napprove: {all: {}}")
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    rows = {line.split()[0]: line for line in said(capsys, "agents", "--known")[0].splitlines()}
    assert rows["codex"].split(maxsplit=4)[1:] == [
        "not",
        "installed",
        "0.171.0",
        "npm install -g @openai/codex",
    ]
    assert rows["mine"].split(maxsplit=2)[1:] == ["installed", "Mine (needs approve: all)"]
    told = json.loads(said(capsys, "agents", "--known", "--json")[0])["recipes"]
    assert {one["name"] for one in told} == rows.keys() - {"USE"}
    (claude,) = [one for one in told if one["name"] == "claude"]
    assert (claude["program"], claude["path"], claude["approve"]) == ("claude", None, ["edits", "ask", "all"])
