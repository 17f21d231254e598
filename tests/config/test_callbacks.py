"""The programs of --on-end and --on-ask: what is taken, what is not, and what fills a placeholder."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from praisonrun.cli.flags import command
from praisonrun.config.callbacks import LONGEST, NAMES, ON_ASK, ON_END, checked, filled
from praisonrun.config.settings import Settings
from praisonrun.core.errors import ConfigError

from ..rigs import pages
from ..rigs.places import ROOT


def test_a_program_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tell").write_text("#!/bin/sh\n")
    (tmp_path / "tell").chmod(0o700)
    assert checked(ON_END, ["true", "--", "{status}"]) == (shutil.which("true"), "--", "{status}")
    assert checked(ON_ASK, ["./tell", "{question}"]) == (str(tmp_path / "tell"), "{question}")
    assert checked(ON_END, []) == ()
    made = Settings(state=tmp_path, on_ask=("true", "{ask_id}"))
    assert made.callbacks == {ON_ASK: (shutil.which("true"), "{ask_id}")}


@pytest.mark.parametrize(
    ("flag", "words", "says"),
    [
        (ON_END, ["no-such-program"], "--on-end: no-such-program is not on PATH; install it"),
        (ON_END, ["./none"], "--on-end: ./none is no program that can be run; install it, or write its path"),
        (ON_END, ["true", "{question}"], "--on-end: there is no placeholder {question}; there are "),
        (ON_ASK, ["true", "{status}"], "--on-ask: there is no placeholder {status}; there are {run_id}, "),
        (ON_END, ["sh", "-c", "say {title}"], "--on-end: {title} must be a word of its own, not a part of "),
        (ON_END, ["{agent}"], "--on-end: its first word is the program, and cannot be {agent}"),
        (ON_END, ["true", "a\0b"], "--on-end: a word of a command cannot have a null character"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_at_the_start(
    flag: str, words: list[str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        Settings(state=tmp_path, **{flag[2:].replace("-", "_"): tuple(words)})  # type: ignore[arg-type]
    assert error.value.message.startswith(says)


def test_the_commands_of_the_page_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notify-send", "osascript"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    page = ROOT / "docs" / "operating.md"
    (block,) = [each for each in pages.blocks(page, "sh") if each.needs == "a desktop"]
    words = shlex.split(block.text, comments=True)
    given = [(flag, text) for flag, text in itertools.pairwise(words) if flag in NAMES]
    assert [flag for flag, _ in given] == [ON_END, ON_ASK, ON_END]
    values = dict.fromkeys([*NAMES[ON_END], *NAMES[ON_ASK]], "-x")
    made = [filled(checked(flag, command(text)), values) for flag, text in given]
    assert [words[-2:] for words in made] == [["-x", "-x"]] * 3
    assert {Path(words[0]).name for words in made} == {"notify-send", "osascript"}
    section = page.read_text().split("## Notifications")[1].split("\n## ")[0]
    names = set(re.findall(r"`\{(\w+)\}`", section))
    assert names == {*NAMES[ON_END], *NAMES[ON_ASK]}


@pytest.mark.parametrize(("text", "says"), [("a 'b", "no closing quotation"), (" ", "it names no program")])
def test_what_is_no_command_line(text: str, says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        command(text)


def test_braces_that_are_no_placeholder_are_left_alone() -> None:
    words = ["true", '{"text": 1}', "a{b}c", "{}"]
    assert filled(checked(ON_END, words)[1:], {}) == words[1:]


def test_a_value_is_one_bounded_line_and_one_argument() -> None:
    values = dict.fromkeys(NAMES[ON_END], "") | {"title": "--help\n\0\x1b[31m $(x)\u2028é \ud800"}
    assert filled(["say", "{title}", "{error}", "title"], values) == [
        "say",
        "--help [31m $(x) é",
        "",
        "title",
    ]
    long = filled(["{error}"], {"error": "x" * 100_000})[0]
    assert (len(long), long[-2:]) == (LONGEST, "x…")
