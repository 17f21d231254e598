"""Whatever is asked and however it ends, the client's schema takes the answer, and all dialects agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...rigs.harness import Json
from ...rigs.veryfront_rig import (
    AGENTS,
    PROJECT,
    SCHEMAS,
    TALK,
    WORDS,
    create,
    ended,
    events,
    faults,
    fit,
    got,
    states,
)
from ...rigs.wire_rig import Api, house

ENDS = [name for name, word in WORDS.items() if word in ("completed", "failed", "cancelled")]
CODES = {"lost": "lost", "failed": "exit_nonzero", "timed out": "timed_out", "unspawned": "spawn_failed"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, dict[str, str]]]:
    for server in house(tmp_path_factory.mktemp("states"), AGENTS):
        with Api(server.url) as client:
            yield client, states(server)


def test_the_checker_sees_what_is_wrong() -> None:
    run: Json = dict.fromkeys(SCHEMAS["run"]["fields"])
    assert ".run_id: None is no string" in faults(SCHEMAS["run"], run)
    assert ".status is missing" in faults(
        SCHEMAS["run"], {name: run[name] for name in run if name != "status"}
    )
    good = {"event_id": 1, "event_type": "x", "created_at": "now"}
    assert faults(SCHEMAS["event"], good) == []
    assert faults(SCHEMAS["event"], {**good, "event_id": True}) == [".event_id: True is no number"]
    assert faults(SCHEMAS["created"], {"accepted": True, "run": {}})[0] == ".run.run_id is missing"
    assert "is not one of" in faults(SCHEMAS["run"]["fields"]["kind"], "job")[0]


@pytest.mark.parametrize("name", WORDS)
def test_every_state_fits_the_client_s_schema(world: tuple[Api, dict[str, str]], name: str) -> None:
    client, known = world
    run = got(client, known[name])
    assert run["status"] == WORDS[name]
    assert (run["error"] or {}).get("code") == CODES.get(name)
    assert (
        (run["completed_at"] is None)
        == (run["duration_ms"] is None and name != "unspawned")
        == (name not in ENDS)
    )
    assert (run["logs"] is None) == (name not in ENDS)
    told = events(client, known[name])
    assert [
        event["event_type"] for event in told if event["event_type"] in ("RUN_FINISHED", "RUN_ERROR")
    ] == (["RUN_FINISHED" if name == "succeeded" else "RUN_ERROR"] if name in ENDS else [])


def test_the_list_of_them_fits_too(world: tuple[Api, dict[str, str]]) -> None:
    client, known = world
    listed = fit("list", client.get("/projects/local/runs"))["data"]
    assert {run["run_id"]: run["status"] for run in listed} == {known[name]: WORDS[name] for name in WORDS}
    for run in listed:
        whole = got(client, run["run_id"])
        same = run.keys() - {"logs"}
        assert {name: run[name] for name in same} == {name: whole[name] for name in same}


SAME: dict[
    str, Callable[[Json], Json]
] = {  # the run object's fields in the words of the jobs dialect's status and result objects
    "run_id": lambda job: job["job_id"],
    "status": lambda job: {"succeeded": "completed"}.get(job["status"], job["status"]),
    "parent_run_id": lambda job: job["parent"],
    "root_run_id": lambda job: job["root"],
    "metadata": lambda job: job["metadata"],
    "created_at": lambda job: job["created_at"],
    "started_at": lambda job: job["started_at"],
    "completed_at": lambda job: job["completed_at"],
    "exit_code": lambda job: job["exit_code"],
    "timeout_seconds": lambda job: ceil(job["timeout"]),
    "output": lambda job: job["result"],
    "duration_ms": lambda job: (
        None if job["duration_seconds"] is None else int(job["duration_seconds"] * 1000)
    ),
}


DEPLOYED: dict[str, Callable[[Json], Json]] = {  # the same in the words of the deployments dialect
    "status": lambda run: {"succeeded": "completed", "timed_out": "failed"}.get(run["status"], run["status"]),
    "created_at": lambda run: run["created_at"],
    "updated_at": lambda run: run["updated_at"],
    "started_at": lambda run: run["started_at"],
    "completed_at": lambda run: run["completed_at"],
    "exit_code": lambda run: run["exit_code"],
}


@pytest.mark.parametrize("name", ENDS)
def test_one_run_tells_one_story_in_every_dialect(world: tuple[Api, dict[str, str]], name: str) -> None:
    client, known = world
    run_id = known[name]
    run, job = got(client, run_id), {**client.result(run_id), **client.status(run_id)}
    assert {field: run[field] for field in SAME} == {field: told(job) for field, told in SAME.items()}
    error = run["error"] or {"message": None}
    assert (error["message"], error.get("code")) == (job["error"], job["failure"])
    agent = run["target"].partition(":")[2]
    assert agent == job["agent"]
    deployed = client.get(f"/v1/agent-deployments/{agent}/runs/adrun_{run_id.removeprefix('run_')}").json()
    assert {field: run[field] for field in DEPLOYED} == {
        field: told(deployed) for field, told in DEPLOYED.items()
    }
    assert (deployed["failure_reason"] is None) == (run["error"] is None)
    assert (deployed["status"] == "timed_out") == (error.get("code") == "timed_out")
    assert deployed["input"] == {"prompt": "x", "config": run["config"]} or name in ("lost", "cancelled")
    if error.get("detail"):
        assert error["detail"]["attempt"] == job["attempt"]
    assert run["logs"] == client.get(f"/api/v1/runs/{run_id}/logs").text
    files = client.get(f"/api/v1/runs/{run_id}/artifacts").json()["artifacts"]
    assert [(file["path"], file["size"]) for file in run["artifacts"]] == [
        (file["path"], file["size"]) for file in files
    ]
    ours = [event["event_id"] // 16 for event in events(client, run_id)]
    theirs = [event["id"] // 16 for event in client.get(f"/api/v1/runs/{run_id}/events").json()["events"]]
    assert ours[-1] == theirs[-1]  # both end at one place of the journal


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
WORD = TEXT.filter(bool)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
UUID = st.uuids().map(str)


def some(required: dict[str, Any], optional: dict[str, Any]) -> Any:
    """Return a strategy for objects; what is optional may be missing or null."""
    return st.fixed_dictionaries(
        required, optional={name: st.none() | value for name, value in optional.items()}
    )


MESSAGE = some(
    {"role": st.sampled_from(["user", "assistant", "tool"])},
    {"parts": st.lists(some({"type": TEXT}, {"text": TEXT}), max_size=3), "content": TEXT},
)
REQUEST = {
    "name": TEXT,
    "timeout_seconds": st.integers(1, 10**9),
    "backoff_limit": st.integers(0, 2),
    "batch_id": WORD,
    "start_mode": WORD,
    "metadata": st.dictionaries(TEXT, JSON, max_size=3),
    "implementation_kind": TEXT,
    "worker_key": TEXT,
    "source_target_kind": TEXT,
    "source_target_release_version": TEXT,
    "runtime_target_kind": st.sampled_from(["main_branch", "environment", "preview_branch"]),
    "runtime_target_environment_id": UUID,
    "runtime_target_branch_id": UUID,
    "unknown_to_us": JSON,
}
NAMES = st.sampled_from(["cat", "quick", "said"])
KINDS = {
    "task": some({"target": NAMES.map(lambda name: f"task:{name}")}, {**REQUEST, "config": JSON}),
    "agent": some(
        {"agent_id": NAMES},
        {
            **REQUEST,
            "initial_status": st.sampled_from(["pending", "running"]),
            "input": JSON | some({}, {"messages": st.lists(MESSAGE, max_size=3), "prompt": TEXT}),
        },
    ),
}


@st.composite
def bodies(draw: st.DrawFn) -> Json:
    """Draw a request that the contract allows."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    body = {
        "kind": kind,
        "owner": {"kind": draw(st.sampled_from(["project", "conversation"])), "id": draw(UUID)},
        "request": draw(KINDS[kind]),
        **draw(some({}, {
            "trigger": some({}, {"conversation_id": UUID, "message_id": UUID, "tool_call_id": WORD}),
            "conversation_mode": st.sampled_from(["create_new", "none", "existing"]),
        })),
    }  # fmt: skip
    if body.get("conversation_mode") == "existing":
        body["conversation_id"] = draw(UUID)
    return body


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies(), st.booleans())
def test_every_valid_request_gets_an_answer_that_fits(canon: Api, body: Json, named: bool) -> None:
    if named:  # not drawn: an example may be tried again
        body = {**body, "public_id": f"A.b:{uuid4()}"}
    accepted = create(canon, body)
    run_id, request = accepted["run"]["run_id"], body["request"]
    hold = request.get("initial_status") == "pending" and request.get("input") is None
    if hold:
        assert got(canon, run_id)["status"] == "pending"
        canon.post(f"/runs/{run_id}/cancel")
    run = ended(canon, run_id)
    assert run["status"] in ("completed", "failed", "cancelled")
    assert run["owner"] == body["owner"]
    assert run["config" if body["kind"] == "task" else "input"] == request.get(
        "config" if body["kind"] == "task" else "input"
    )
    for name in ("batch_id", "start_mode", "runtime_target_kind", "runtime_target_branch_id"):
        assert run[name] == request.get(name)
    told = events(canon, run_id)
    assert told[-1]["event_type"] in ("RUN_FINISHED", "RUN_ERROR")
    talk = accepted["conversation_id"] or (
        body["owner"]["id"] if body["owner"]["kind"] == "conversation" else None
    )
    if talk is not None:
        shown = canon.get(f"/conversations/{talk}/runs/{run_id}").json()
        assert (shown["status"], shown["latest_event_id"]) == (run["status"], told[-1]["event_id"])
    if named:
        assert create(canon, body)["duplicate"] is True


def test_what_is_pinned_here_is_what_the_contract_says() -> None:
    fields = SCHEMAS["run"]["fields"]
    assert {name for name in fields if fields[name].get("optional")} == {
        "metadata",
        "input",
        "config",
        "output",
    }
    assert PROJECT != TALK
