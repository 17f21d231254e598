"""A crew file, run for real: praisonai against a model server on loopback, through our own server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..rigs.harness import Server
from ..rigs.processes import of_run
from .test_crew_driver import model_server, real_python

__all__ = ["model_server"]  # a fixture

CREW = """
framework: praisonai
topic: nothing
roles:
  writer:
    role: Writer
    goal: Write about {topic}
    backstory: You write about {topic}.
    tasks:
      write:
        description: Write one sentence about {topic}.
        expected_output: One sentence.
"""
pytestmark = [pytest.mark.agents, pytest.mark.timeout(120)]


def served(tmp_path: Path, model: str) -> Server:
    (tmp_path / "crew.yaml").write_text(CREW)
    main = tmp_path / "agents.yaml"
    main.write_text(
        f"""
python: {real_python()}
env: {{OPENAI_BASE_URL: "{model}/v1", OPENAI_API_KEY: canary-key, OPENAI_MODEL_NAME: gpt-4o-mini}}
agents:
  other: {{command: [/bin/true]}}
"""
    )
    return Server(tmp_path, main)


def test_prompt_in_answer_out(tmp_path: Path, model_server: str) -> None:
    with served(tmp_path, model_server) as server:
        server.start()
        with server.client() as client:
            asked = {"prompt": "the tides", "agent_file": "crew.yaml", "framework": "praisonai"}
            answer = client.post("/api/v1/runs", json=asked)
            assert answer.status_code == 202, answer.text
            run_id = answer.json()["job_id"]
            shown = server.ended(run_id)
            assert shown["status"] == "succeeded", client.get(f"/api/v1/runs/{run_id}/logs").text
            assert shown["agent"] == "crew"
            assert (
                client.get(f"/api/v1/runs/{run_id}/result").json()["result"] == "Hello from the fake model ."
            )
            assert "the tides" in json.dumps(client.get(f"{model_server}/seen").json())
            printed = client.get(f"/api/v1/runs/{run_id}/logs?stream=stdout").text
            assert printed.strip() == "Hello from the fake model ."
            client.delete(f"/api/v1/runs/{run_id}")
        for file in server.state.rglob("*"):
            assert not file.is_file() or b"canary-key" not in file.read_bytes()


def test_cancel_kills_it(tmp_path: Path, model_server: str) -> None:
    with served(tmp_path, model_server) as server:
        server.start()
        with server.client() as client:
            asked = {"prompt": "x", "agent_file": "crew.yaml"}
            run_id = client.post("/api/v1/runs", json=asked).json()["job_id"]
            page = client.get(f"/api/v1/runs/{run_id}/events?after=1&wait=30").json()
            assert page["events"][0]["data"]["status"] == "running"
            shown = client.post(f"/api/v1/runs/{run_id}/cancel").json()
            assert shown["status"] == "cancelled"
            assert of_run(run_id) == set()
