"""Whatever the system denies a command is one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from praisonrun import cli

from ..rigs.harness import no_server, swept

LONG = "x" * 300
UNUSABLE = "choose another with --state DIR"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "logs" / "server.log").mkdir(parents=True)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "server.log").symlink_to("/nowhere")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run x --port 1 --state file", UNUSABLE),
        ("run x --port 1 --state file/below", UNUSABLE),  # where a read-only HOME fails, too
        ("run x --port 1 --state logs", UNUSABLE),
        ("run x --port 1 --state linked", UNUSABLE),
        *((f"{words} --state {LONG}", UNUSABLE) for words in ("stop", "stop --cancel", "webhooks list")),
        ("run x --port 1 --no-server --state loop", UNUSABLE),
        ("stop --state loop", UNUSABLE),
        ("serve --port 0 --state loop", "state directory"),
        (f"serve --agents {LONG}", "--agents"),
        ("serve --agents loop", "too many levels of symbolic links"),
        (f"run x --agents {LONG}", "file name too long"),
        (f"serve --agent-root {LONG}", "--agent-root"),
        ("serve --token-file loop", "--token-file"),
        ("serve --webhook-secret-file file/below --port 0 --state s", "--webhook-secret-file"),
        ("check loop", "too many levels of symbolic links"),
        ("check file/below", "cannot be read: not a directory"),
    ],
)
def test_a_path_that_cannot_be_used_is_one_line(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if line.startswith("serve"):
        done = shell('"$@"', line)
        code, error = done.returncode, done.stderr
    else:
        code, error = cli.main(no_server, line.split()), capsys.readouterr().err
    assert (code, error.count("\n")) == (125 if line.startswith("run") else 2, 1), error
    assert error.startswith("praisonrun: ")
    assert says in error


def test_a_file_without_permission_is_reported_by_who_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not by click, which asks the system first and prints its usage."""
    (tmp_path / "a.yaml").write_text('agents: {a: {command: ["{python}"]}}')
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert cli.main(no_server, ["run", "x", "--no-server", "--port", "1", "--agents", "a.yaml"]) == 125
    assert "Usage" not in capsys.readouterr().err


def shell(line: str, words: str) -> subprocess.CompletedProcess[str]:
    """Run a command inside a line of shell, which has it as "$@"."""
    command = [sys.executable, "-m", "praisonrun", *words.split()]
    return subprocess.run(["/bin/sh", "-c", line, "sh", *command], capture_output=True, text=True, timeout=30)


def test_text_that_standard_output_cannot_show_is_escaped(tmp_path: Path) -> None:
    name = "\N{SNOWMAN}.yaml"
    (tmp_path / name).write_text('agents: {a: {command: ["{python}"]}}')
    done = shell('PYTHONIOENCODING=ascii "$@"', f"check {name}")
    assert (done.returncode, done.stdout.startswith("\\u2603.yaml: 1 agent")) == (0, True), done.stderr


def test_a_reader_that_left_is_no_fault() -> None:
    done = shell('{ "$@"; echo "code $?" >&2; } | true', "--help")
    assert done.stderr == "code 0\n"


GONE = 'mkdir gone && cd gone && rmdir ../gone && "$@"'


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("check {here}/a.yaml", 0),
        ("check", 2),
        ("check a.yaml", 2),
        ("info --state {here}/s", 0),
        ("info --state s", 2),
        ("stop --state {here}/s", 2),
        ("stop --state s", 2),
        ("webhooks list --state {here}/s", 2),
        ("run x --no-server --state {here}/s", 125),
        ("run x --agents a.yaml --state {here}/s", 125),
        ("serve --state s", 2),
        ("serve --agents a.yaml --state {here}/s", 2),
        ("serve --token-file t --state {here}/s", 2),
    ],
)
def test_a_current_directory_that_is_gone_matters_only_where_it_is_asked_for(
    words: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text('agents: {a: {command: ["{python}"]}}')
    done = shell(GONE, words.format(here=tmp_path))
    assert done.returncode == code, done.stderr
    relative = (code and "{here}/s" not in words) or "a.yaml --state" in words or "--token-file" in words
    assert ("the current directory no longer exists" in done.stderr) == bool(relative)
    assert done.stderr.count("\n") == (code > 0 and not words.startswith("stop --state {here}"))


def test_a_server_that_is_started_where_no_directory_is(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("agents: {a: {command: [/bin/echo, hi], prompt: none}}")
    with swept(tmp_path / "s"):
        done = shell(GONE, f"run x --agents {tmp_path}/a.yaml --state {tmp_path}/s")
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr


def test_standard_streams_that_were_closed_are_opened() -> None:
    """Else the next file opened, a database perhaps, would be what errors are written to."""
    code = """
import os, sys
from praisonrun import __main__, cli
cli.main = lambda _: os.write(9, b"".join(os.readlink(f"/proc/self/fd/{n}").encode() for n in range(3)))
sys.argv[1:] = []
__main__.main()
print("lost", file=sys.stderr)
"""
    closing = 'exec "$0" -c "$1" 9>&1 <&- >&- 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", closing, sys.executable, code], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "/dev/null" * 3)
