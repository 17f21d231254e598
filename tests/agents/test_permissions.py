"""Claude Code asks before it acts, and people answer: over HTTP, by the command, on the page; or nobody does.

PRAISONRUN_TEST_AGENTS is a PATH of directories that have it; see test_real_agents.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from ..browser.chromium import CHROMIUM, status
from ..browser.conftest import chromium, tab
from ..rigs.harness import Json, Server, code_of
from .test_crew_driver import model_server
from .test_real_agents import ANSWER, KEY, PATH

__all__ = ["chromium", "model_server", "tab"]  # fixtures
pytestmark = [
    pytest.mark.agents,
    pytest.mark.timeout(200),
    pytest.mark.skipif(
        shutil.which("claude", path=PATH) is None, reason="claude is not on PRAISONRUN_TEST_AGENTS"
    ),
]


@pytest.fixture
def server(tmp_path: Path, model_server: str) -> Iterator[Server]:
    """A server whose Claude Code asks, in a home of its own."""
    (tmp_path / "home").mkdir()
    env = {"ANTHROPIC_BASE_URL": model_server, "ANTHROPIC_API_KEY": KEY}
    claude: dict[str, Any] = {"use": "claude", "approve": "ask", "env": env, "timeout": 120}
    agents = {"claude": claude, "hurried": {**claude, "idle_timeout": 9}}
    file = tmp_path / "agents.yaml"
    file.write_text(json.dumps({"env_pass": ["HOME", "PATH"], "agents": agents}))
    with Server(tmp_path, file) as made:
        made.environ |= {"HOME": str(tmp_path / "home"), "PATH": PATH}
        made.start()
        yield made


def touch(name: str) -> str:
    return f"[[bash:touch {name}]]"


def asked(server: Server, run_id: str) -> list[Json]:
    """Return what a run asks, once it does."""
    tag, wait = "", dict[str, Any]()
    with server.client() as client:
        while True:
            wait = {"params": {"wait": 20}, "headers": {"If-None-Match": tag}} if tag else {}
            got = client.get(f"/api/v1/runs/{run_id}", **wait)
            tag = got.headers.get("etag", tag)
            if got.status_code == 200 and (found := got.json())["questions"]:
                return [each for each in found["questions"] if each["state"] == "open"]
            assert got.status_code == 304 or found["completed_at"] is None, found


def heard(model_server: str) -> str:
    """Return what the model heard last."""
    return str(httpx2.get(f"{model_server}/seen").json()[-1])


def test_an_allowed_command_runs_and_a_denied_one_does_not(
    server: Server, model_server: str, tmp_path: Path
) -> None:
    """Over HTTP and by the command. A killed server loses no question, and asks none twice."""
    run_id = server.submit("claude", touch("made.txt"))
    (question,) = asked(server, run_id)
    assert question["question"].split("\n")[:2] == ["Allow Bash?", "  command: touch made.txt"]
    assert (question["kind"], question["options"]) == ("permission", ["allow", "deny"])
    assert not (tmp_path / "made.txt").exists()
    server.kill()
    server.start()
    assert asked(server, run_id) == [question]
    with server.client() as client:
        path = f"/api/v1/runs/{run_id}/answers/{question['id']}"
        assert client.post(path, json={"answer": "yes"}).status_code == 422
        assert client.post(path, json={"answer": "allow"}).status_code == 200
        ended = server.ended(run_id)
        result = client.get(f"/api/v1/runs/{run_id}/result").json()["result"]
    assert (ended["status"], len(ended["questions"])) == ("succeeded", 1)
    assert result.startswith(ANSWER)
    assert (tmp_path / "made.txt").exists()

    run_id = server.submit("claude", touch("denied.txt"))
    asked(server, run_id)
    assert code_of("answer", run_id, "deny", "--state", str(server.state)) == 0
    assert server.ended(run_id)["status"] == "succeeded"
    assert not (tmp_path / "denied.txt").exists()
    assert "A person denied it." in heard(model_server)


def test_what_nobody_allows_is_denied_in_time(server: Server, model_server: str, tmp_path: Path) -> None:
    """Its answer is waited for during six of the nine seconds that it may be silent."""
    run_id = server.submit("hurried", touch("late.txt"))
    assert asked(server, run_id)
    assert server.ended(run_id)["status"] == "succeeded"
    assert not (tmp_path / "late.txt").exists()
    assert "Nobody allowed it in time." in heard(model_server)


def test_what_its_model_asks_comes_with_its_choices(server: Server, model_server: str) -> None:
    offer = [{"label": "pg", "description": "large"}, {"label": "lite", "description": "small"}]
    given = {"questions": [{"question": "Which db?", "header": "db", "multiSelect": False, "options": offer}]}
    run_id = server.submit("claude", f"[[mcp:AskUserQuestion {json.dumps(given)}]]")
    (question,) = asked(server, run_id)
    assert (question["kind"], question["options"]) == ("question", ["pg", "lite"])
    assert code_of("answer", run_id, "lite", "--state", str(server.state)) == 0
    assert server.ended(run_id)["status"] == "succeeded"
    assert "lite" in json.loads(heard(model_server))[-1]["content"][0]["content"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium")
def test_it_is_allowed_on_the_page(server: Server, tab: Callable[..., Page], tmp_path: Path) -> None:
    run_id = server.submit("claude", touch("paged.txt"))
    asked(server, run_id)
    page = tab()
    page.goto(f"{server.url}/ui/runs/{run_id}")
    form = page.locator("form.why")
    expect(form).to_contain_text("Allow Bash?")
    expect(form.get_by_role("button", name="deny")).to_be_visible()
    assert not (tmp_path / "paged.txt").exists()
    form.get_by_role("button", name="allow").click()
    expect(form).to_have_count(0)
    status(page, "succeeded")
    assert (tmp_path / "paged.txt").exists()
