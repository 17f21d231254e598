"""The help of all commands: its order, its width, and what is said for a command that is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from praisonrun import cli
from praisonrun.cli.program import MEANT, SECTIONS, program

from ..rigs.harness import no_server


def below(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, found in command.commands.items():
            yield from below(found, *path, name)


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, *path: str
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main(no_server, [*path, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [44, 80, 200])
def test_no_help_is_wider_than_its_terminal_or_80_columns(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, _ in below(program):
        said = shown(monkeypatch, capsys, columns, *path)
        wide = [line for line in said.splitlines() if len(line) > min(columns, 80)]
        assert not [line for line in wide if " " in line.strip()], path  # one long word cannot be wrapped
        assert not [line for line in said.splitlines() if re.search(r"\w\.\.\.$", line)], path


def test_the_help_has_every_command_once_in_its_section_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(monkeypatch, capsys, 80).splitlines()
    ordered = [name for names in SECTIONS.values() for name in names if name in program.commands]
    assert set(ordered) == program.commands.keys()
    assert [line.rstrip(":") for line in said if line.rstrip(":") in SECTIONS] == list(SECTIONS)
    begin = said.index(f"{next(iter(SECTIONS))}:")
    told = [line.split()[0] for line in said[begin:] if line.startswith("  ")]
    assert told == ordered


@pytest.mark.parametrize(
    ("word", "meant"), [("ls", "ps"), ("pss", "ps"), ("chekc", "check"), ("doctor", "check")]
)
def test_a_command_that_is_none_is_answered_with_one_that_was_meant(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(no_server, [word]) == 2
    assert capsys.readouterr().err == (
        f"praisonrun: No such command {word!r}. Did you mean {meant!r}? (praisonrun --help)\n"
    )


def test_shells_complete_every_run_and_agent() -> None:
    asked = {"run", "run_id", "run_ids", "agent", "service"}
    for path, command in below(program):
        for option in command.params:
            if option.name in asked:
                assert option._custom_shell_complete is not None, (path, option.name)


def test_no_name_of_another_tool_is_a_command() -> None:
    assert not MEANT.keys() & program.commands.keys()
