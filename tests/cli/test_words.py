"""What the commands make of words: durations, and every fault of a file."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from praisonrun import cli
from praisonrun.cli import flags

from ..rigs.harness import no_server


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
    assert cli.main(no_server, ["check", str(file)]) == 2
    assert [line.split(": ")[:2] for line in capsys.readouterr().err.splitlines()] == [
        ["praisonrun", f"{file}:2:30"],
        ["praisonrun", f"{file}:3:7"],
    ]
