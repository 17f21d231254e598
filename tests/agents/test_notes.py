"""What check notes: texts that a program takes for options, and what is not expanded."""

from __future__ import annotations

from pathlib import Path

import pytest

from praisonrun.agents import Catalog, argv
from praisonrun.agents.check import check
from praisonrun.agents.launch import STRING_LIMIT, preflight
from praisonrun.core.errors import Invalid


def notes(folder: Path, entry: str) -> list[str]:
    file = folder / "agents.yaml"
    file.write_text(f"agents:\n  a: {{{entry}}}\n")
    (found,) = check(file, {"PATH": "/bin:/usr/bin"}).agents
    return list(found.warnings)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ('[codex, exec, "{prompt}"]', "a prompt that begins with - is an option"),
        (
            '[echo, "{prompt}"]',
            'put -- before "{prompt}", or write "--option={prompt}", or use prompt: stdin',
        ),
        ('["{python}", x.py, "{session_id}"]', "a session_id that begins with -"),
        ('[codex, exec, --, "{prompt}"]', None),
        ('[x, "--prompt={prompt}"]', None),
        ('[x, -p, "{prompt}"]', None),
        ('[sh, -c, "{prompt}"]', None),
        ('[sh, -ec, \'echo "$1"\', x, "{prompt}"]', None),
        ("[x, '${A}/b']", "${A} is not expanded, because no shell reads it"),
        ("[x, '--to=$HOME/b']", "$HOME is not expanded"),
        ("[x, ~/b]", "~ is not expanded in an argument"),
        ("[x, --to=~/b]", "~ is not expanded in an argument"),
        ("[sh, -c, 'echo $HOME ${A:-b}']", None),
        ("[~/x, 'costs $5', 'a~b']", None),
        ("[x, \u2013v]", "(U+2013) is a long dash"),
        ("[x, “v”]", "is a curly quote"),
    ],
)
def test_notes_on_a_command(tmp_path: Path, command: str, says: str | None) -> None:
    found = notes(tmp_path, f"command: {command}")
    assert (len(found), says in found[0]) == (1, True) if says else found == []


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("env: {A: '${X}'}", "env A looks like a variable"),
        ("env: {A: '${X:-d}'}", "env A looks like a variable"),
        ("env: {A: $HOME/x}", "env A looks like a variable"),
        ("env: {A: '/bin:$HOME/x'}", "env A looks like a variable"),
        ("env: {A: ~/x}", "env A has ~"),
        ("env: {A: 'pa$word'}", None),
        ("cwd: $HOME/x", "cwd looks like a variable"),
        ("cwd: ~no-such-user/x", "whom this machine does not know"),
        ("cwd: agents.yaml", "agents.yaml is a file"),
    ],
)
def test_notes_on_env_and_cwd(tmp_path: Path, rest: str, says: str | None) -> None:
    found = notes(tmp_path, f"command: [echo], {rest}")
    assert says in found[-1] if says else found == []


def test_a_placeholder_may_be_the_value_of_an_option(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text('agents: {a: {command: [echo, "--p={prompt}", "-r={run_id}", "--f={json}"]}}')
    agent = Catalog(file, [tmp_path], {}).default
    environ = {"PATH": "/bin:/usr/bin"}
    made = argv(agent, prompt="--x={run_id}", run_id="r", session_id=None, port=None, environ=environ)
    assert made[1:] == ["--p=--x={run_id}", "-r=r", "--f={json}"]
    preflight(agent, "x" * (STRING_LIMIT - 4), environ, {})
    with pytest.raises(Invalid, match="does not fit an argument"):
        preflight(agent, "x" * (STRING_LIMIT - 3), environ, {})
