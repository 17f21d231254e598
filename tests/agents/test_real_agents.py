"""Agents that exist, by their recipes, against a model server on loopback: right, rejected, and away.

PRAISONRUN_TEST_AGENTS is a PATH of directories that have them; those that are in none are skipped. Installed
into a directory of their own they touch nothing else: npm install --prefix DIR, or a virtual environment.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from praisonrun.agents import recipes

from ..rigs.harness import Server
from .test_crew_driver import model_server
from .test_entry import entry

__all__ = ["model_server"]  # a fixture
pytestmark = [pytest.mark.agents, pytest.mark.timeout(300)]
KEY = "test-key-0123456789abcdef0123456789"
"""Long: Copilot CLI masks its key wherever it stands in its output."""
DEAD = "http://127.0.0.1:9"
PATH = os.pathsep.join(filter(None, (os.environ.get("PRAISONRUN_TEST_AGENTS"), os.environ["PATH"])))
TOOL = "[[bash:echo tool-$((40+2))]]"
ANSWER = "Hello from the fake model ."


def openai(base: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{base}/v1", "OPENAI_API_BASE": f"{base}/v1"}


def entries(base: str, home: Path, name: str) -> dict[str, dict[str, Any]]:
    """Return how each agent is pointed to a model server; `name` tells their files apart."""
    provider = (
        f'model_providers.x={{name="x",base_url="{base}/v1",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    )
    codex = ["-m", "x", "-c", 'model_provider="x"', "-c", provider]
    opencode = home / f"opencode-{name}.json"
    options = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"{base}/v1", "apiKey": KEY}}
    opencode.write_text(json.dumps({"provider": {"x": {**options, "models": {"fake": {}}}}}))
    cn = home / f"cn-{name}.yaml"
    model = {"name": "fake", "provider": "openai", "model": "fake", "apiBase": f"{base}/v1", "apiKey": KEY}
    cn.write_text(
        json.dumps(
            {"name": "t", "version": "0.0.1", "schema": "v1", "models": [{**model, "roles": ["chat"]}]}
        )
    )
    copilot = {
        "COPILOT_PROVIDER_BASE_URL": f"{base}/v1",
        "COPILOT_PROVIDER_API_KEY": KEY,
        "COPILOT_MODEL": "fake",
    }
    return {
        "claude": {"env": {"ANTHROPIC_BASE_URL": base, "ANTHROPIC_API_KEY": KEY}},
        "codex": {"args": codex, "env": openai(base), "idle_timeout": 20},
        "gemini": {"env": {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": base}},
        "qwen": {"args": ["--auth-type", "openai"], "env": {**openai(base), "OPENAI_MODEL": "fake"}},
        "opencode": {"args": ["-m", "x/fake"], "env": {"OPENCODE_CONFIG": str(opencode)}},
        "copilot": {"env": {"COPILOT_OFFLINE": "true", **copilot}},
        "pi": {"args": ["--provider", f"x-{name}", "--model", "fake"]},
        "cn": {"args": ["--config", str(cn)]},
        "llm": {"args": ["-m", f"fake-{name}"], "env": {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": KEY}},
        "clai": {"args": ["-m", "openai-chat:fake"], "env": openai(base)},
        "aider": {"args": ["--model", "openai/fake"], "env": openai(base)},
    }  # fmt: skip


SLOW_WHEN_AWAY = {"gemini", "qwen", "opencode", "aider"}
"""They try for minutes."""
WITHOUT_TOOLS = {"llm", "clai", "aider", "cn"}
"""They have none, or do not tell of them."""
AGENTS = ("claude", "codex", "gemini", "qwen", "opencode", "copilot", "pi", "cn", "llm", "clai", "aider")


@pytest.fixture
def server(tmp_path: Path, model_server: str) -> Iterator[Server]:
    """A server with each agent thrice, `claude-ok`, `claude-401` and `claude-dead`, in a home of its own."""
    home = tmp_path / "home"
    (home / ".gemini").mkdir(parents=True)
    (home / ".gemini" / "settings.json").write_text(
        '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'
    )
    bases = {"ok": model_server, "401": f"{model_server}/s401", "dead": DEAD}
    (home / ".pi" / "agent").mkdir(parents=True)
    shared = {"api": "openai-completions", "apiKey": KEY, "models": [{"id": "fake"}]}
    pi = {f"x-{name}": {**shared, "baseUrl": f"{base}/v1"} for name, base in bases.items()}
    (home / ".pi" / "agent" / "models.json").write_text(json.dumps({"providers": pi}))
    llm = [
        {"model_id": f"fake-{name}", "model_name": "fake", "api_base": f"{base}/v1"}
        for name, base in bases.items()
    ]
    (home / "extra-openai-models.yaml").write_text(json.dumps(llm))
    agents: dict[str, Any] = {}
    for name, base in bases.items():
        for agent, more in entries(base, home, name).items():
            agents[f"{agent}-{name}"] = {"use": agent, "approve": "all", "timeout": 120, **more}
    file = tmp_path / "agents.yaml"
    file.write_text(json.dumps({"env_pass": ["HOME", "PATH"], "agents": agents}))
    with Server(tmp_path, file) as made:
        made.environ |= {"HOME": str(home), "PATH": PATH}
        made.start()
        yield made


def needs(agent: str) -> None:
    """Skip a test whose agent is not installed."""
    program = recipes.builtin(agent).program
    if shutil.which(program, path=PATH) is None:
        pytest.skip(f"{program} is not on PRAISONRUN_TEST_AGENTS: {recipes.builtin(agent).get}")


@pytest.mark.parametrize("agent", AGENTS)
def test_it_answers_and_no_failure_is_a_success(agent: str, server: Server) -> None:
    needs(agent)
    cases = ["ok", "401", *(["dead"] if agent not in SLOW_WHEN_AWAY else [])]
    prompt, ids, ended = TOOL if agent not in WITHOUT_TOOLS else "--help me", {}, {}
    for case in cases:  # one after the other: their entries share a home, where first runs may race
        ids[case] = server.submit(f"{agent}-{case}", prompt)
        ended[case] = server.ended(ids[case])
    with server.client() as client:
        answer = client.get(f"/api/v1/runs/{ids['ok']}/result").json()["result"]
        told = client.get(f"/api/v1/runs/{ids['ok']}/events?limit=1000").json()["events"]
    assert ended["ok"]["status"] == "succeeded", json.dumps(ended["ok"])
    assert answer.strip().startswith(ANSWER)
    calls = [event["data"] for event in told if event["event"] == "tool_call"]
    assert (
        any("tool-42" in json.dumps(call) for call in calls) is (agent not in WITHOUT_TOOLS)
        or agent == "gemini"
    )
    for case in cases[1:]:
        assert ended[case]["status"] == "failed", json.dumps(ended[case])
        assert "401" in json.dumps(ended[case]) or "key" in json.dumps(ended[case]) or case == "dead"


TALKERS = [agent for agent in AGENTS if entry(f"use: {agent}, approve: all").session is not None]


def said(server: Server, agent: str, prompt: str) -> tuple[str, Any, list[Any]]:
    """Run an agent in the one session of this test; return its answer, the run, and its session events."""
    run_id = server.submit(f"{agent}-ok", prompt, session_id="project-alpha")
    run = server.ended(run_id)
    with server.client() as client:
        told = client.get(f"/api/v1/runs/{run_id}/events?limit=1000").json()["events"]
        answer = client.get(f"/api/v1/runs/{run_id}/result").json().get("result")
    assert run["status"] == "succeeded", json.dumps(run)
    return answer.strip(), run, [event["data"] for event in told if event["event"] == "session"]


def in_store(server: Server, sql: str) -> None:
    """Change what a server that is stopped knows of conversations."""
    server.stop()
    with closing(sqlite3.connect(server.state / "praisonrun.db")) as db, db:
        assert db.execute(sql).rowcount == 1
    server.start()


@pytest.mark.parametrize("agent", TALKERS)
def test_a_session_is_one_conversation_and_one_that_is_gone_begins_anew(agent: str, server: Server) -> None:
    needs(agent)
    assert said(server, agent, "Say hello.")[0] == ANSWER
    in_store(server, "UPDATE conversations SET updated_at = updated_at")  # a restart
    assert said(server, agent, "And again.")[0] == f"{ANSWER} Turn 1."
    # A name that the agent does not know.
    other = "substr(agent_session, 1, length(agent_session) - 4) || '0123'"
    in_store(server, f"UPDATE conversations SET agent_session = {other}")
    answer, run, told = said(server, agent, "--help me")
    if agent != "copilot":  # which makes one of any name
        assert (run["attempt"], told[0]) == (2, {"started_anew": True})
    assert answer == ANSWER
    assert said(server, agent, "More.")[0] == f"{ANSWER} Turn 1."
    # A name that is taken: the first run had it.
    in_store(server, "DELETE FROM conversations")
    answer, run, told = said(server, agent, "Once more.")
    if agent in ("claude", "gemini", "qwen"):
        assert (run["attempt"], told[0]) == (2, {"started_anew": True})
    assert answer == (f"{ANSWER} Turn 2." if agent == "copilot" else ANSWER)
