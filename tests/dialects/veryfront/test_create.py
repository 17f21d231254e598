"""Creating Veryfront runs: prompts, inputs, keys, starts in two steps, and every rejection."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from ...rigs.harness import Json
from ...rigs.veryfront_rig import PROJECT, TALK, agent, create, ended, got, made, ran, rejected, task
from ...rigs.wire_rig import Api

SEED: Json = {  # the seed's printed example, with its placeholders as they stand
    "owner": {"id": "3c90c3cc-0d44-4b50-8888-8dd25736052a"},
    "request": {
        "agent_id": "<string>",
        "implementation_kind": "<string>",
        "worker_key": "<string>",
        "source_target_environment_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "source_target_branch_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "source_target_release_version": "<string>",
        "runtime_target_environment_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "runtime_target_branch_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
    },
    "public_id": "<string>",
    "parent_run_id": "<string>",
    "trigger": {
        "conversation_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "message_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "tool_call_id": "<string>",
    },
    "conversation_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
}


def fresh() -> str:
    return str(uuid.uuid4())


def test_a_task_from_request_to_end(canon: Api) -> None:
    public_id = f"Task:{fresh()}"
    config = {"prompt": "hi", "more": [1, None]}
    accepted = create(
        canon, task("echo", config, public_id=public_id, name="n", batch_id="b", start_mode="now")
    )
    assert (accepted["accepted"], "duplicate" in accepted) == (True, False)
    assert (accepted["conversation_id"], accepted["message_id"]) == (None, None)
    assert accepted["run"]["status"] in ("pending", "running")
    run = ended(canon, public_id)
    assert {name: run[name] for name in accepted["run"] if name not in _MOVING} == {
        name: value for name, value in accepted["run"].items() if name not in _MOVING
    }
    assert run["duration_ms"] >= 0
    assert run["created_at"] <= run["started_at"] <= run["completed_at"] == run["updated_at"]
    assert {name: run[name] for name in run if name not in ("created_at", *_MOVING)} == {
        "run_id": public_id, "kind": "task", "owner": {"kind": "project", "id": PROJECT},
        "parent_run_id": None, "root_run_id": public_id, "waiting_reason": None, "metadata": None,
        "target": "task:echo", "workflow_id": None, "schedule_id": None, "batch_id": "b",
        "runtime_target_kind": None, "runtime_target_environment_id": None, "runtime_target_branch_id": None,
        "input": None, "config": config, "error": None, "artifacts": [], "start_mode": "now",
        "timeout_seconds": 60, "backoff_limit": 0, "trigger_kind": "api", "trigger_id": None,
        "created_by": None,
    }  # fmt: skip
    assert (run["status"], run["output"], run["logs"], run["exit_code"]) == (
        "completed",
        "got hi\n",
        "got hi\n",
        0,
    )


_MOVING = (
    "status", "output", "logs", "exit_code", "duration_ms", "started_at", "completed_at", "updated_at",
)  # fmt: skip


@pytest.mark.parametrize(
    ("config", "prompt"),
    [
        ({}, "{}"),
        (None, ""),
        ({"a": "ü"}, '{"a": "ü"}'),
        ({"prompt": 5}, '{"prompt": 5}'),
        ("text", "text"),
        ([], "[]"),
    ],
)
def test_the_prompt_of_a_task(canon: Api, config: Json, prompt: str) -> None:
    body = task()
    body["request"]["config"] = config
    assert ran(canon, body)["output"] == f"got {prompt}\n"


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        (None, ""),
        ({"prompt": "p"}, "p"),
        ({"messages": [{"role": "user", "content": "c"}]}, "c"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "d"}]}], "prompt": "p"}, "d"),
        ({"messages": [
            {"role": "user", "parts": [{"type": "text", "text": "old"}]},
            {"role": "user", "parts": [{"type": "text", "text": "a"}, {"type": "file"}, 5, {"text": "b"}]},
            {"role": "assistant", "parts": [{"type": "text", "text": "no"}]},
        ]}, "ab"),
        ({"messages": [{"role": "user"}]}, ""),
        ({"messages": [], "prompt": "p"}, "p"),
        ({"messages": "odd", "x": 1}, '{"messages": "odd", "x": 1}'),
    ],
)  # fmt: skip
def test_the_prompt_of_an_agent_and_its_input_verbatim(canon: Api, given: Json, prompt: str) -> None:
    body = agent("echo")
    body["request"]["input"] = given
    run = ran(canon, body)
    assert (run["output"], run["input"]) == (f"got {prompt}\n", given)


def test_the_input_reaches_the_agent_verbatim(canon: Api) -> None:
    run = ran(canon, agent("input", "hello", talk=(talk := fresh())))
    assert run["output"] == json.dumps(run["input"]) + talk
    assert ran(canon, task("input", {"a": 1}))["output"] == '{"prompt": "{\\"a\\": 1}", "config": {"a": 1}}'


def test_the_seed_s_example_is_told_what_it_leaves_out(canon: Api) -> None:
    why = rejected(canon, SEED)
    for field in ("kind:", "owner.kind:", "public_id:"):
        assert field in why
    parent = made(canon, task("quick"))
    body = {
        **SEED, "kind": "agent", "owner": {"kind": "conversation", "id": TALK}, "parent_run_id": parent,
        "conversation_mode": "existing", "public_id": f"seed.{fresh()}",
    }  # fmt: skip
    assert "no agent '<string>'" in rejected(canon, body, 404)
    body["request"] = {**SEED["request"], "agent_id": "quick", "metadata": {"mine": 1}}
    accepted = create(canon, body)
    run, sent = ended(canon, body["public_id"]), SEED["request"]
    assert (run["parent_run_id"], run["root_run_id"]) == (parent, parent)
    assert run["metadata"] == {
        "mine": 1, "implementation_kind": "<string>", "worker_key": "<string>",
        "source_target_environment_id": PROJECT, "source_target_branch_id": PROJECT,
        "source_target_release_version": "<string>", "trigger": SEED["trigger"],
    }  # fmt: skip
    for name in ("runtime_target_environment_id", "runtime_target_branch_id"):
        assert run[name] == sent[name]
    assert (run["kind"], run["target"], run["trigger_id"]) == ("agent", "agent:quick", "<string>")
    assert accepted["conversation_id"] == SEED["conversation_id"]


def with_(path: str, value: Json, body: Json = None) -> Json:
    """Return a good body with one thing changed; `...` takes it away."""
    body = json.loads(json.dumps(body or task()))
    *parents, name = path.split(".")
    inner = body
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("kind", ..., "kind"),
        ("kind", "job", "kind"),
        ("kind", "workflow", "no workflow"),
        ("kind", "eval", "no eval"),
        ("owner", ..., "owner"),
        ("owner.kind", ..., "owner.kind"),
        ("owner.kind", "user", "owner.kind"),
        ("owner.id", "x", "owner.id"),
        ("owner.id", f"{PROJECT}\n", "owner.id"),
        ("request", ..., "request"),
        ("request", None, "request"),
        ("request.target", ..., "request.target"),
        ("request.target", "echo", "request.target"),
        ("request.target", "task:", "request.target"),
        ("request.timeout_seconds", 0, "request.timeout_seconds"),
        ("request.timeout_seconds", "5", "request.timeout_seconds"),
        ("request.backoff_limit", -1, "request.backoff_limit"),
        ("request.runtime_target_kind", "moon", "request.runtime_target_kind"),
        ("request.metadata", [], "request.metadata"),
        ("request.config", {"prompt": "a\0b"}, "NUL"),
        ("public_id", "", "public_id"),
        ("public_id", "a/b", "public_id"),
        ("public_id", "a" * 129, "public_id"),
        ("public_id", "..", "public_id"),
        ("public_id", "a\n", "public_id"),
        ("parent_run_id", "", "parent_run_id"),
        ("trigger", {"conversation_id": "x"}, "trigger.conversation_id"),
        ("conversation_mode", "maybe", "conversation_mode"),
        ("conversation_mode", "existing", "conversation_id"),
        ("conversation_id", TALK, "conversation_id"),
    ],
)
def test_what_is_wrong_is_named(canon: Api, path: str, value: Json, named: str) -> None:
    assert named in rejected(canon, with_(path, value))


def test_an_agent_s_request_names_its_agent(canon: Api) -> None:
    assert "agent_id" in rejected(canon, with_("request.agent_id", ..., agent()))
    assert "initial_status" in rejected(canon, agent(initial_status="later"))
    assert "no agent 'nope'" in rejected(canon, agent("nope"), 404)
    assert "no agent 'nope'" in rejected(canon, task("nope"), 404)
    assert "service" in rejected(canon, task("server"))
    assert "there is no run nobody" in rejected(canon, task(parent_run_id="nobody"), 404)


@pytest.mark.parametrize("body", ["", "nope", "[]", '{"kind": NaN}', '{"a": 1, "a": 2}', '{"a": "\\ud800"}'])
def test_what_is_no_json_object_is_a_400(canon: Api, body: str) -> None:
    answer = canon.post("/runs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json().keys()) == (400, {"error", "detail"})


def test_at_the_door_the_dialect_says_no_in_its_own_words(canon: Api) -> None:
    stranger = canon.post("/runs", json=task(), headers={"Origin": "http://evil.test"})
    form = canon.post("/runs", content="x=1", headers={"Content-Type": "text/plain"})
    large = canon.post("/runs", json=task(config={"prompt": "x" * 9_000_000}))
    assert [answer.status_code for answer in (stranger, form, large)] == [403, 415, 413]
    for answer in (
        stranger,
        form,
        large,
        canon.put("/runs"),
        canon.get("/runs/a/b/c"),
        canon.get("/projects"),
    ):
        assert answer.json().keys() == {"error", "detail"}
    assert "detail" in canon.get("/elsewhere").json()
    assert canon.get("/elsewhere").headers["content-type"] == "application/problem+json"


def test_a_public_id_is_an_idempotency_key(canon: Api) -> None:
    body = task("echo", {"prompt": "once"}, public_id=fresh())
    first = create(canon, body)["run"]
    again = create(canon, {**body, "request": {**body["request"], "config": {"prompt": "other"}}})
    assert again["duplicate"] is True
    assert (again["run"]["run_id"], again["run"]["created_at"]) == (first["run_id"], first["created_at"])
    assert again["run"]["config"] == {"prompt": "once"}
    assert ended(canon, first["run_id"])["output"] == "got once\n"
    assert create(canon, body)["run"]["status"] == "completed"
    public_id = body["public_id"]
    for other in (
        task("quick", public_id=public_id),
        agent("echo", public_id=public_id),
        task("echo", public_id=public_id, owner={"kind": "project", "id": TALK}),
        task("echo", public_id=public_id, owner={"kind": "conversation", "id": PROJECT}),
        task("echo", public_id=canon.submit("quick")),
    ):
        rejected(canon, other, 409)


def test_many_at_once_are_one_run(canon: Api) -> None:
    body = agent("echo", "x", public_id=fresh())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: create(canon, body), range(20)))
    assert sum("duplicate" not in answer for answer in answers) == 1
    assert {answer["run"]["run_id"] for answer in answers} == {body["public_id"]}


def test_a_start_in_two_steps(canon: Api) -> None:
    talk, public_id = fresh(), f"run_{fresh()}"
    hold = agent("echo", talk=talk, public_id=public_id, initial_status="pending")
    first = create(canon, hold)
    assert (first["run"]["status"], first["run"]["input"], "duplicate" in first) == ("pending", None, False)
    assert create(canon, hold)["duplicate"] is True
    assert canon.get(f"/conversations/{talk}/runs/{public_id}").json()["status"] == "pending"
    go = agent("echo", "go", talk=talk, public_id=public_id)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: create(canon, go), range(10)))
    assert {answer["duplicate"] for answer in answers} == {True}
    run = ended(canon, public_id)
    assert (run["output"], run["input"]) == ("got go\n", go["request"]["input"])
    assert create(canon, agent("echo", "late", talk=talk, public_id=public_id))["run"]["output"] == "got go\n"


def test_a_held_run_is_cancelled_and_stays_so(canon: Api) -> None:
    hold = agent("echo", public_id=fresh(), initial_status="pending")
    run_id = made(canon, hold)
    assert canon.post(f"/runs/{run_id}/cancel").json()["cancelled"] is True
    assert create(canon, agent("echo", "go", public_id=run_id))["run"]["status"] == "cancelled"


def test_an_input_that_cannot_run_leaves_a_held_run_held(canon: Api) -> None:
    run_id = made(canon, agent("said", public_id=fresh(), initial_status="pending"))
    rejected(canon, agent("said", "a\0b", public_id=run_id))
    assert got(canon, run_id)["status"] == "pending"
    assert create(canon, agent("said", "x", public_id=run_id))["accepted"]
