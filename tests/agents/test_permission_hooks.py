"""Agents whose hook is `praisonrun permission --hook` do what a person allows, and nothing else.

PRAISONRUN_TEST_AGENTS is a PATH of directories that have them; see test_real_agents.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..rigs.harness import Server, code_of
from .test_crew_driver import model_server
from .test_permissions import asked, touch
from .test_real_agents import PATH, entries

__all__ = ["model_server"]  # a fixture
pytestmark = [pytest.mark.agents, pytest.mark.timeout(200)]
HOOK = shlex.join([sys.executable, "-P", "-m", "praisonrun", "permission", "--hook"])
PLACES = {
    "gemini": (".gemini/settings.json", "BeforeTool", 660_000),
    "qwen": (".qwen/settings.json", "PreToolUse", 660_000),
    "codex": (".codex/hooks.json", "PreToolUse", 660),
}
"""Where each agent has its hooks, what the hook is called there, and its time in the agent's unit."""


@pytest.fixture
def server(tmp_path: Path, model_server: str) -> Iterator[Server]:
    """A server with each agent, in a home that has its hook."""
    home = tmp_path / "home"
    for name, event, timeout in PLACES.values():
        hook = {"type": "command", "command": HOOK, "timeout": timeout}
        (home / name).parent.mkdir(parents=True)
        settings: dict[str, Any] = {"hooks": {event: [{"matcher": "", "hooks": [hook]}]}}
        if event == "BeforeTool":
            settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
        (home / name).write_text(json.dumps(settings))
    agents = {
        name: {"use": name, "approve": "all", **entries(model_server, home, "x")[name]} for name in PLACES
    }
    del agents["codex"]["approve"], agents["codex"]["idle_timeout"]
    agents["codex"]["args"] += ["--dangerously-bypass-hook-trust"]
    file = tmp_path / "agents.yaml"
    file.write_text(json.dumps({"env_pass": ["HOME", "PATH"], "agents": agents}))
    with Server(tmp_path, file) as made:
        made.environ |= {"HOME": str(home), "PATH": PATH}
        made.start()
        yield made


@pytest.mark.parametrize("agent", list(PLACES))
def test_a_person_allows_a_command_or_denies_it(agent: str, server: Server, tmp_path: Path) -> None:
    if shutil.which(agent, path=PATH) is None:
        pytest.skip(f"{agent} is not on PRAISONRUN_TEST_AGENTS")
    for answer in ("allow", "deny"):
        run_id = server.submit(agent, touch(f"{answer}.txt"))
        (question,) = asked(server, run_id)
        assert f"command: touch {answer}.txt" in question["question"]
        assert not (tmp_path / f"{answer}.txt").exists()
        assert code_of("answer", run_id, answer, "--state", str(server.state)) == 0
        assert server.ended(run_id)["status"] == "succeeded"
        assert (tmp_path / f"{answer}.txt").exists() is (answer == "allow")
