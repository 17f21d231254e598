"""README is true and short: its commands are CI's, its session runs as printed, its first screen is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect

from .rigs import pages
from .rigs.harness import swept
from .rigs.pages import README
from .rigs.places import ROOT

TEXT = README.read_text()
DEVELOPMENT = ROOT / "docs" / "development.md"


def blocks() -> list[str]:
    return [block.text for block in pages.blocks(README, "sh")]


def test_ci_runs_what_the_pages_say_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "set ", "cd "))]
    assert commands
    told = {line for block in pages.blocks(DEVELOPMENT, "sh") for line in block.text.splitlines()}
    assert set(commands) <= told | {line for block in blocks() for line in block.splitlines()}
    assert any(command.endswith("pytest") and f"{command}\n" in blocks() for command in commands)


def test_it_is_short() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 120
    first = [line.startswith("## ") for line in lines].index(True)
    assert first <= 40
    screen = "\n".join(lines[:first])
    for part in ("kill -9", "pip install", "agents:", "praisonrun serve", "praisonrun check", "docs/"):
        assert part in screen


def test_the_first_command_sets_up_and_runs() -> None:
    first = blocks()[0].strip()
    assert first.startswith("python3 -m venv .venv && ")
    assert 'praisonrun run "' in first


def test_the_main_job_as_readme_has_it(tmp_path: Path) -> None:
    """The run of the first command, with this interpreter's praisonrun and a state of its own."""
    prompt = re.search(r'praisonrun run "([^"]+)"', blocks()[0])
    assert prompt is not None
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PRAISONRUN_PORT": str(_free_port())}
    with swept(tmp_path / "praisonrun"):
        done = subprocess.run(
            [sys.executable, "-m", "praisonrun", "run", prompt[1]],
            capture_output=True, text=True, cwd=ROOT, env=environ, timeout=30,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{len(prompt[1].split())} words" in done.stdout
    assert "100%" in done.stderr


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Shell:
    """A shell in a terminal that is typed into, and the lines that it and its jobs show."""

    def __init__(self, home: Path, port: int) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        mine = {"PATH": path, "PRAISONRUN_STATE": str(home / "state"), "PRAISONRUN_PORT": str(port)}
        self.environ = {**os.environ, **mine, "TERM": "xterm", "PS1": "$ "}
        self._child = pexpect.spawn(
            "bash", ["--norc", "--noediting"], cwd=str(home), env=self.environ, encoding="utf-8",
            dimensions=(24, 200), echo=False, timeout=20,
        )  # fmt: skip

    def type(self, command: str) -> None:
        self._child.sendline(command)

    def until(self, shown: str) -> None:
        """Return when a line that a page shows was printed."""
        told: list[str] = []
        while not told or told[-1]:
            try:
                told.append(self._child.readline())
            except pexpect.TIMEOUT:
                break
            if pages.matches([shown], [told[-1].removeprefix("$ ").rstrip()]):
                return
        raise AssertionError(f"{shown!r} is not in {told}")

    def leave(self) -> None:
        stop = [sys.executable, "-m", "praisonrun", "stop", "--cancel"]  # before its terminal goes
        stopped = subprocess.run(stop, env=self.environ)
        self._child.close(force=True)
        assert not stopped.returncode


@contextmanager
def terminal(home: Path, port: int) -> Iterator[Shell]:
    shell = Shell(home, port)
    try:
        yield shell
    finally:
        shell.leave()


def test_the_session_of_the_first_screen(tmp_path: Path) -> None:
    """Each command is typed once the lines before it were seen. The agent sleeps less than the page's."""
    (session,) = pages.blocks(README, "console")
    listing, *steps = pages.steps(session)
    (tmp_path / "agents.yaml").write_text("\n".join(listing.shown).replace("sleep 2", "sleep 0.2"))
    os.mkfifo(tmp_path / "server.log")
    port = _free_port()
    with terminal(tmp_path, port) as shell, ExitStack() as logs:
        for step in steps:
            shell.type(step.command)
            if "serve" in step.command:
                log = logs.enter_context((tmp_path / "server.log").open())
                assert any("listens on" in line for line in log)
            for line in step.shown:
                shell.until(line.replace(":8005", f":{port}"))


def test_the_repo_s_own_agents_file_is_fine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "praisonrun", "check", "--strict"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
