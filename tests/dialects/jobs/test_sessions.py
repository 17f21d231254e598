"""Sessions on the wire: what a conversation's runs say in each form of the stream, and who may not wait."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...rigs.harness import Json, Server
from ...rigs.talkers import Talks
from ...rigs.veryfront_rig import agent, ended, events, made
from ...rigs.wire_rig import RUNS, Api, house


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Talks:
    return Talks(tmp_path_factory.mktemp("talks"))


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, talks: Talks) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("talking")
    yield from house(home, talks.agents(home / "agents.yaml").read_text())


@pytest.fixture
def api(talking: Server) -> Iterator[Api]:
    with Api(talking.url) as client:
        yield client


def names(talks: Talks) -> set[str]:
    return set(talks.names())


def test_a_run_that_begins_its_conversation_anew_says_so_in_every_form(api: Api, talks: Talks) -> None:
    before = names(talks)
    assert api.ran("talk", "one", session_id="lost")["status"] == "succeeded"
    (old,) = names(talks) - before
    talks.lose(old)
    run = api.ran("talk", "two", session_id="lost")
    assert (run["status"], run["attempt"], run["session_id"]) == ("succeeded", 2, "lost")
    (new,) = names(talks) - before
    wanted = [{"started_anew": True}, {"id": new}]
    path = f"{RUNS}/{run['job_id']}"
    sse = [data["data"] for _, name, data in api.events(run["job_id"]) if name == "session"]
    lines = api.get(f"{path}/stream", headers={"Accept": "application/x-ndjson"}).text.splitlines()
    ndjson = [each["data"] for each in map(json.loads, lines) if each["event"] == "session"]
    page = api.get(f"{path}/events").json()["events"]
    assert sse == ndjson == [each["data"] for each in page if each["event"] == "session"] == wanted
    attempts = [each["data"]["state"] for each in page if each["event"] == "attempt"]
    assert attempts == ["start", "end", "start", "end"]


def test_its_description_has_both_kinds_of_session_events(api: Api) -> None:
    form = api.get("/openapi.json").json()["components"]["schemas"]["SessionData"]
    assert form["properties"].keys() == {"id", "started_anew"}
    assert not form.get("required")


def test_a_replay_of_the_canonical_dialect_is_the_same_from_every_event_on(api: Api, talks: Talks) -> None:
    before = names(talks)
    ended(api, made(api, agent("talk", "one")))
    (old,) = names(talks) - before
    talks.lose(old)
    run_id = made(api, agent("talk", "two"))
    assert ended(api, run_id)["status"] == "completed"
    told = events(api, run_id)
    anew = [each for each in told if "anew" in json.dumps(each["payload"]).lower()]
    assert len(anew) == 1, told
    for number, each in enumerate(told):
        query = {"after_event_id": each["event_id"], "limit": 100}
        rest = api.get(f"/runs/{run_id}/events", params=query).json()["data"]
        assert rest == told[number + 1 :]


def test_no_run_is_taken_that_would_wait_for_its_own_waiter(api: Api, talks: Talks, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    top = api.submit("talk", f"wait:{gate}", session_id="waits")
    behind = api.submit("talk", "behind", session_id="waits")
    assert api.status(behind)["queue_reason"] == f"waits for {top} of the same session"
    before = api.get("/stats").json()["total"]
    for more in ({"parent": top}, {"waiter": top}):
        body: Json = {"agent": "talk", "prompt": "x", "session_id": "waits", **more}
        answer = api.post(RUNS, json=body)
        assert answer.status_code == 409
        assert "give another session, or none" in answer.json()["detail"]
    assert api.get("/stats").json()["total"] == before
    gate.touch()
    assert api.ended(behind)["status"] == "succeeded"
    assert api.result(behind)["result"] == [f"wait:{gate}", "behind"]
    assert talks.overlaps() == []


def test_run_with_a_session_continues_it(talking: Server, api: Api) -> None:
    def run(prompt: str, **environ: str) -> subprocess.CompletedProcess[str]:
        words = ["run", "--state", str(talking.state), "--agent", "talk", "--session", "cli", prompt]
        return subprocess.run(
            [sys.executable, "-m", "praisonrun", *words],
            capture_output=True, text=True, env={**talking.environ, **environ}, check=False,
        )  # fmt: skip

    assert json.loads(run("one").stdout) == ["one"]
    again = run("two")
    assert (json.loads(again.stdout), again.returncode) == (["one", "two"], 0)
