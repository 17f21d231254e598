"""What the commands make of words: durations, and every fault of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from praisonrun.agents.schema import schema
from praisonrun.cli import flags

from ..rigs.harness import code_of


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("1h30m", 5400), ("366d", 31_622_400)])
def test_a_timeout_is_seconds_or_a_duration(text: str, value: int) -> None:
    assert flags.seconds(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5M", "write 5m"), ("5 min", "write 5m"), ("0", "write 90"), ("1.5s", "write 90"),
        ("-1", "write 90"), ("", "write 90"), ("x", "write 90"),
        ("9" * 400, "366 days"), ("367d", "366 days"),
    ],
)  # fmt: skip
def test_a_timeout_that_is_none_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        flags.seconds(text)


def test_every_fault_of_a_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text("agents:\n  a: {command: [x], timeout: 0}\n  b: {comand: [x]}\n")
    assert code_of("check", str(file)) == 2
    assert [line.split(": ")[:2] for line in capsys.readouterr().err.splitlines()] == [
        ["praisonrun", f"{file}:2:30"],
        ["praisonrun", f"{file}:3:7"],
    ]


def checked(file: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `check --json`, and what it prints."""
    file.write_text(text)
    code, said = code_of("check", "--json", str(file)), capsys.readouterr()
    assert said.err == ""
    return code, json.loads(said.out)


def test_check_prints_faults_as_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "agents.yaml"
    code, said = checked(file, "agents:\n  a: {command: [x, 'b; {prompt}'], timeout: 5M}\n  b: 5\n", capsys)
    assert (code, said["ok"], said["agents"], said["default"]) == (2, False, [], None)
    inside, late, other = said["faults"]
    assert inside == {
        "file": str(file),
        "line": 2,
        "column": 20,
        "message": "{prompt} stands inside the longer element 'b; {prompt}'",
        "advice": "make it an element by itself, or the value of an option: --name={prompt}",
    }
    assert (late["column"], late["advice"]) == (45, "write 5m")
    assert (other["line"], other["advice"]) == (3, None)
    assert code_of("check", "--json", str(tmp_path / "gone.yaml")) == 2
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert (fault["line"], fault["column"], fault["file"]) == (None, None, str(tmp_path / "gone.yaml"))


def test_check_says_how_a_missing_program_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/none")
    code, said = checked(tmp_path / "agents.yaml", "agents: {a: {command: [codex, exec]}}", capsys)
    (agent,) = said["agents"]
    assert (code, said["ok"], said["faults"]) == (0, False, [])
    assert (agent["path"], agent["install"]) == (None, "npm install -g @openai/codex")
    assert agent["problem"]["advice"] == "install it with: npm install -g @openai/codex"


def test_check_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("check", "--schema") == 0
    assert json.loads(capsys.readouterr().out) == schema()
