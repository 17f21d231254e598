"""The queue over HTTP. The client checks each answer against what is promised of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...rigs.harness import Json
from ...rigs.wire_rig import RUNS, Api

QUEUE = "/api/v1/queue"


@pytest.fixture
def queue(api: Api) -> Iterator[Api]:
    yield api
    assert api.post(f"{QUEUE}/resume").status_code == 200


def of(queue: Json, agent: str) -> Json:
    [found] = [each for each in queue["agents"] if each["agent"] == agent]
    return found


def test_pause_and_resume_of_an_agent(queue: Api) -> None:
    before = queue.get(QUEUE).json()
    assert (before["concurrency"], before["queue_limit"], before["paused_since"]) == (16, 10_000, None)
    paused = queue.post(f"{QUEUE}/pause", json={"agent": "quick"}).json()
    assert of(paused, "quick")["paused_since"]
    run_id = queue.submit("quick")
    assert of(queue.get(QUEUE).json(), "quick")["queued"] == 1
    assert queue.ran("fail")["status"] == "failed"
    assert queue.status(run_id)["status"] == "queued"
    resumed = queue.post(f"{QUEUE}/resume", json={"agent": "quick"}).json()
    assert of(resumed, "quick")["paused_since"] is None
    assert queue.ended(run_id)["status"] == "succeeded"


def test_pause_of_all(queue: Api) -> None:
    paused = queue.post(f"{QUEUE}/pause").json()
    assert paused["paused_since"] == of(paused, "quick")["paused_since"]
    accepted = queue.post(RUNS, json={"agent": "quick", "prompt": "x"}).json()
    assert accepted["queue_reason"] == "all agents are paused, until: praisonrun resume"
    run_id = accepted["job_id"]
    assert queue.status(run_id)["queue_reason"] == accepted["queue_reason"]
    answer = queue.post(f"{QUEUE}/resume", json={"agent": "quick"})
    assert (answer.status_code, "all agents are paused" in answer.json()["detail"]) == (409, True)
    assert queue.post(f"{RUNS}/{run_id}/cancel").json()["status"] == "cancelled"
    assert queue.post(f"{QUEUE}/resume", json={}).json()["paused_since"] is None


@pytest.mark.parametrize("body", [{"agnet": "quick"}, {"agent": "nobody"}, {"agent": "server"}, {"agent": 1}])
def test_a_typo_pauses_nobody(queue: Api, body: Json) -> None:
    answer = queue.post(f"{QUEUE}/pause", json=body)
    assert answer.status_code == 422
    assert next(iter(body)) in answer.text
    found = queue.get(QUEUE).json()
    assert {found["paused_since"], *(each["paused_since"] for each in found["agents"])} == {None}
