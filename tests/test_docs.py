"""The pages are true: their commands run, their output is what comes, their agents files are good."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from praisonrun.cli import check

from .rigs import pages
from .rigs.harness import Server
from .rigs.pages import PAGES, README, Block, Step
from .rigs.places import ROOT

INSTALL = "docs/install.md"
"""Its commands download and install: the tests of the single file try them."""
UNTESTED = {
    "docs/development.md": ["a package index"],
    "docs/figures.md": ["six minutes", "an hour", "these packages"],
    "docs/mcp.md": ["Claude Code or Codex"],
    "docs/operating.md": ["a desktop", "systemd"],
    "docs/recipes.md": ["the program itself", "praisonai and a model"],
    "docs/sessions.md": ["the program itself"],
}
"""Every block that no test runs, by what it needs."""
AGENTS = """
default: hello
agents:
  hello: {command: ["{python}", -c, "from praisonrun.demo import main; main(0)"]}
  count: {command: [sh, -c, 'for n in 1 2 3 4 5; do echo line $n; sleep 2; done']}
  release:
    command: ["{python}", -m, praisonrun, ask, "Release it?", --id, release, --options, "yes,no"]
    prompt: none
  fixer: {command: [sh, -c, 'read -r words; echo "$words" >> NOTES; echo noted'], cwd: caller, worktree: true}
  server: {mode: service, command: ["{python}", -m, http.server, "{port}", --bind, 127.0.0.1], port: auto}
"""
"""What the pages speak of. This `hello` does not pause."""
EXAMPLES = {"counter": 11, "report": "", "words": "2\n"}
"""Agents of the pages' examples that run everywhere, and what they make of `hello world`."""
SERVED = "127.0.0.1:8005"
END = "\x1e"


def runnable(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page that run here; others belong to CI, test_readme, the single file's tests."""
    elsewhere = (ROOT / ".ci" / "run").read_text() + (ROOT / INSTALL).read_text()
    for block in pages.blocks(page, "sh", "console"):
        if block.needs or block.text in elsewhere or serves(block) or "python3 -m venv" in block.text:
            continue
        if "kill -9" not in block.text:  # the session of the first screen, which test_readme runs
            yield block


def serves(block: Block) -> bool:
    return re.fullmatch(r"praisonrun serve.*\n", block.text) is not None


RUN = [page for page in PAGES if str(page.relative_to(ROOT)) != INSTALL and any(runnable(page))]
"""The pages with commands that this file runs."""


def name_of(page: Path) -> str:
    return page.name


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all pages."""
    home = tmp_path_factory.mktemp("docs")
    examples = [yaml.safe_load(block.text) for page in PAGES for block in pages.blocks(page, "yaml")]
    agents = yaml.safe_load(AGENTS)
    for example in examples:
        agents["agents"] |= {
            name: made for name, made in example.get("agents", {}).items() if name in EXAMPLES
        }
    (home / "agents.yaml").write_text(yaml.safe_dump(agents))
    with Server(home, home / "agents.yaml") as server:
        server.start()
        yield server


@pytest.mark.timeout(180)  # a page of 45 commands, and the machine may be busy
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_every_command_works_and_says_what_its_page_shows(page: Path, house: Server, tmp_path: Path) -> None:
    """All blocks of a page run in one shell, in order, in a directory of their own."""
    shutil.copy(ROOT / "agents.yaml", tmp_path)
    run([step for block in runnable(page) for step in pages.steps(block)], house, tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_s_agent_does_what_its_page_says(name: str, house: Server) -> None:
    status = house.ended(house.submit(name, "hello world"))
    assert status["status"] == "succeeded", status
    with house.client() as client:
        result = client.get(f"/api/v1/runs/{status['job_id']}/result").json()["result"]
    assert result == EXAMPLES[name]


def run(steps: list[Step], server: Server, home: Path) -> None:
    """Run steps in one shell. Each must exit with 0 and say what its page shows."""
    (home / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nmax-time = 20\n")
    script = "set -euo pipefail\n" + "".join(f"{step.command.rstrip()}\nprintf '{END}'\n" for step in steps)
    served = server.url.removeprefix("http://")
    done = subprocess.run(
        ["bash", "-c", script.replace(SERVED, served)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, cwd=home,
        env=environ(server, CURL_HOME=str(home)),
    )  # fmt: skip
    told = done.stdout.replace("\r\n", "\n").replace(served, SERVED).split(END)
    assert done.returncode == 0, (steps[len(told) - 1].command, told[-1])
    for step, said in zip(steps, told, strict=False):
        assert not step.shown or pages.matches(step.shown, said.splitlines()), (step.command, said)


def environ(server: Server, **more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PRAISONRUN_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**mine, "PATH": path, "PRAISONRUN_STATE": str(server.state), **more}


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in pages.blocks(page, "sh") if serves(block)], ids=str
)
def test_every_server_on_a_page_starts(block: Block, tmp_path: Path) -> None:
    """The secret that it names is made as its page makes it; what the page asks with the secret works."""
    flags = block.text.split()[2:]
    (tmp_path / "agents.yaml").write_text(AGENTS)
    beside = [other for other in pages.blocks(ROOT / block.page, "sh") if flags and flags[-1] in other.text]
    with Server(tmp_path, tmp_path / "agents.yaml", *flags) as server:
        for other in beside:
            if other == block:
                server.start()
            else:
                run(pages.steps(other), server, tmp_path)
        if server.process is None:
            server.start()
        assert server.stop(signal.SIGTERM) == 0


def test_what_is_not_run_is_known() -> None:
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for block in pages.blocks(page, "sh", "console"):
            if block.needs:
                found.setdefault(block.page, []).append(block.needs)
    found.pop(INSTALL, None)
    assert found == UNTESTED
    assert len(pages.blocks(ROOT / INSTALL, "sh")) == 4


def test_every_block_has_a_language_that_is_looked_at() -> None:
    languages = Counter(block.language for page in PAGES for block in pages.blocks(page))
    assert languages.keys() <= {"sh", "console", "yaml", "json", "python"}
    assert languages["sh"] > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_of_other_languages_parse(page: Path) -> None:
    for block in pages.blocks(page):
        match block.language:
            case "json":
                json.loads(block.text)
            case "python":
                ast.parse(block.text)


@pytest.mark.parametrize("block", [block for page in PAGES for block in pages.blocks(page, "yaml")], ids=str)
def test_every_agents_file_passes_check(
    block: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(block.text)
    assert check.check(file) == 0
    assert "default" in capsys.readouterr().out


def test_the_first_screen_s_agents_file_passes_check(tmp_path: Path) -> None:
    (session,) = pages.blocks(README, "console")
    shown = pages.steps(session)[0]
    assert shown.command == "cat agents.yaml"
    (tmp_path / "agents.yaml").write_text("\n".join(shown.shown))
    assert check.check(tmp_path / "agents.yaml", strict=True) == 0
