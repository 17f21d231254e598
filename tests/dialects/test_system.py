"""What every dialect shares: health, counts, the agents on offer."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request

from praisonrun import __version__
from praisonrun.dialects.system import System
from praisonrun.dialects.system.models import AgentShown, Health, Stats
from praisonrun.engine.engine import Engine

from ..rigs.harness import Json, Server
from ..rigs.wire_rig import RUNS, Api, exact


def test_healthz_is_minimal(api: Api) -> None:
    answer = api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_shows_counts_limits_and_the_store(api: Api) -> None:
    before = api.get("/health").json()
    exact(Health, before)
    assert (before["status"], before["problems"], before["version"]) == ("ok", [], __version__)
    assert before["runs"].keys() == {"queued", "running", "succeeded", "failed", "cancelled"}
    assert before["concurrency"] == 16
    assert before["store"]["sqlite"]
    api.ran("quick")
    after = api.get("/health").json()
    assert after["runs"]["succeeded"] == before["runs"]["succeeded"] + 1


def test_stats_count_by_status_and_agent(api: Api, tmp_path: Path) -> None:
    def shown() -> Json:
        found = api.get("/stats").json()
        exact(Stats, found)
        return found

    def of(found: Json, agent: str, status: str) -> int:
        return int(found["by_agent"].get(agent, {}).get(status, 0))

    before = shown()
    api.ran("fail")
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    during = shown()
    assert during["total"] == before["total"] + 2 == sum(during["by_status"].values())
    assert of(during, "fail", "failed") == of(before, "fail", "failed") + 1
    assert of(during, "until", "running") == of(before, "until", "running") + 1
    assert during["live"] >= 1
    (tmp_path / "gate").touch()
    assert api.ended(run_id)["status"] == "succeeded"
    after = shown()
    assert after["by_status"]["running"] == during["by_status"]["running"] - 1
    assert after["total"] == sum(
        api.get(f"{RUNS}?mode={mode}").json()["total"] for mode in ("run", "service")
    )


def test_the_agents_on_offer(api: Api) -> None:
    found = api.get("/api/v1/agents").json()
    agents = {agent["name"]: agent for agent in found["agents"]}
    for agent in agents.values():
        exact(AgentShown, agent)
    assert (found["default"], found["problem"]) == ("echo", None)
    assert [name for name, agent in agents.items() if agent["default"]] == ["echo"]
    assert (agents["echo"]["timeout"], agents["jsonl"]["format"], agents["one"]["concurrency"]) == (
        60,
        "jsonl",
        1,
    )
    assert (agents["needy"]["env_required"], agents["server"]["mode"]) == (["SECRET"], "service")
    assert (agents["echo"]["problem"], agents["echo"]["install"]) == (None, None)
    assert "is not on PATH" in agents["gone"]["problem"]
    assert "from-file" not in str(found)  # a literal of `env`


def test_a_broken_agents_file_degrades_and_says_where(server: Server, agents_file: Path) -> None:
    with Api(server.url) as api:
        good = agents_file.read_text()
        agents_file.write_text("agents: {echo: {comand: [x]}}")
        health, offer = api.get("/health").json(), api.get("/api/v1/agents").json()
        assert health["status"] == "degraded"
        assert "agents.yaml:1:" in health["problems"][0]
        assert offer["problem"] == health["problems"][0]
        assert "echo" in [agent["name"] for agent in offer["agents"]]  # the last good version
        assert api.submit("quick")
        agents_file.write_text(good)
        assert api.get("/health").json()["status"] == "ok"


def test_head_is_get_without_its_body(api: Api) -> None:
    run_id = api.ran("quick")["job_id"]
    for path in (
        "/healthz",
        "/health",
        "/stats",
        RUNS,
        "/api/v1/agents",
        "/openapi.json",
        f"{RUNS}/{run_id}",
    ):
        head, get = api.head(path), api.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
    made = api.ran("makes", "four")["job_id"]
    head = api.head(f"{RUNS}/{made}/artifacts/a.txt")
    assert (head.status_code, head.headers["content-length"]) == (200, "4")
    live = api.submit("wait")
    for path in ("stream", "logs?follow"):  # which must not wait for the end
        assert api.head(f"{RUNS}/{live}/{path}").status_code == 200
    api.post(f"{RUNS}/{live}/cancel")
    assert api.status(live)["job_id"] == live


async def test_a_lost_store_shows_in_health(engine: Engine) -> None:
    asked = Request({"type": "http", "headers": []})
    assert json.loads(bytes((await System(engine).health(asked)).body))["status"] == "ok"
    engine.store._files.lost = "the disk failed; restart the server"
    shown = json.loads(bytes((await System(engine).health(asked)).body))
    assert shown["status"] == "degraded"
    assert shown["problems"] == ["the disk failed; restart the server"]
    engine.store._files.lost = ""
