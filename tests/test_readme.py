"""README is true: its commands are CI's, its curl lines work as printed, its agents.yaml parses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from praisonrun.agents import Catalog

from .rigs.harness import Server
from .rigs.places import ROOT

TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_ci_runs_what_readme_says_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "set ", "cd "))]
    assert commands
    told = {line for block in blocks("sh") for line in block.splitlines()}
    assert set(commands) <= told | {".ci/versions lowest python3"}
    assert any(command.endswith("pytest") for command in commands)


def test_the_first_command_sets_up_and_runs() -> None:
    first = blocks("sh")[0].strip()
    assert first.startswith("python3 -m venv .venv && ")
    assert 'praisonrun run "' in first


def test_the_main_job_as_readme_has_it(tmp_path: Path) -> None:
    """The run of the first command, with this interpreter's praisonrun and a state of its own."""
    prompt = re.search(r'praisonrun run "([^"]+)"', blocks("sh")[0])
    assert prompt is not None
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PRAISONRUN_PORT": str(_free_port())}
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


def curls() -> list[str]:
    joined = "\n".join(blocks("sh")).replace("\\\n", " ")
    return [line.split("  #")[0].strip() for line in joined.splitlines() if line.startswith("curl ")]


def test_there_are_curl_lines() -> None:
    assert len(curls()) > 8


@pytest.mark.skipif(not any(Path(d, "curl").exists() for d in os.get_exec_path()), reason="curl is missing")
def test_every_curl_line_works(server: Server) -> None:
    run_id = server.submit("story")
    server.ended(run_id)
    for line in curls():
        here = line.replace("http://127.0.0.1:8005", server.url)
        done = subprocess.run(
            ["/bin/sh", "-c", f"{here} --fail-with-body -sS"],
            capture_output=True, text=True, env={**os.environ, "ID": run_id}, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert done.stdout, line


def test_the_agents_file_in_readme_is_one(tmp_path: Path) -> None:
    (sample,) = blocks("yaml")
    file = tmp_path / "agents.yaml"
    file.write_text(sample)
    names = [agent.name for agent in Catalog(file, [tmp_path], os.environ).all()]
    assert names[0] == "hello"
    assert len(names) > 1


def test_the_repo_s_own_agents_file_is_fine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "praisonrun", "check", "--strict"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
