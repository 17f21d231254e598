"""Submitting a run over the jobs dialect: every field, rule and rejection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ...rigs.harness import TIME, Json, Server
from ...rigs.wire_rig import RUNS, Api

# Submit


def test_a_submit_answers_with_five_keys_and_two_headers(api: Api) -> None:
    answer = api.post(RUNS, json={"prompt": "x"})
    body = answer.json()
    assert answer.status_code == 202
    assert body.keys() == {"job_id", "status", "created_at", "poll_url", "stream_url"}
    assert re.fullmatch(r"run_[0-9a-z]{12,}", body["job_id"])
    assert body["status"] == "queued"
    assert TIME.fullmatch(body["created_at"])
    assert body["poll_url"] == f"{api.base_url}/api/v1/runs/{body['job_id']}".replace("//api", "/api")
    assert body["stream_url"] == body["poll_url"] + "/stream"
    assert answer.headers["location"] == body["poll_url"]
    assert answer.headers["retry-after"] == "1"
    assert "idempotency-replayed" not in answer.headers
    assert api.get(answer.headers["location"]).json()["job_id"] == body["job_id"]
    assert api.ended(body["job_id"])["agent"] == "echo"  # the file's default


def test_urls_are_those_of_the_host_that_was_asked(api: Api, shared: Server) -> None:
    answer = api.post(RUNS, json={"prompt": "x"}, headers={"Host": f"localhost:{shared.port}"})
    assert answer.json()["poll_url"].startswith(f"http://localhost:{shared.port}/api/v1/runs/run_")


@pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": None}, {"prompt": 7}, {"prompt": ["x"]}])
def test_a_prompt_is_a_string_that_is_not_empty(api: Api, body: Json) -> None:
    answer = api.post(RUNS, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, "prompt must be a non-empty string")


FAULTS: list[tuple[Json, str]] = [
    ({"prompt": "a\0b"}, "prompt"),
    ({"prompt": "x" * (1024 * 1024 + 1)}, "prompt"),
    ({"prompt": "é" * (512 * 1024 + 1)}, "prompt"),
    ({"agent": ""}, "agent"),
    ({"agent": "unheard-of"}, "agent"),
    ({"agent": "server"}, "agent"),
    ({"agent": "gone"}, "agent"),
    ({"agent": 1}, "agent"),
    ({"framework": 1}, "framework"),
    ({"timeout": 0}, "timeout"),
    ({"timeout": -1}, "timeout"),
    ({"timeout": 1.5}, "timeout"),
    ({"timeout": "60"}, "timeout"),
    ({"timeout": True}, "timeout"),
    ({"webhook_url": "ftp://example.com/x"}, "webhook_url"),
    ({"webhook_url": "example.com"}, "webhook_url"),
    ({"webhook_url": "http://"}, "webhook_url"),
    ({"webhook_url": "http://u:p@example.com/"}, "webhook_url"),
    ({"webhook_url": "http://example.com/#f"}, "webhook_url"),
    ({"webhook_url": "http://example.com:0/"}, "webhook_url"),
    ({"webhook_url": "http://example.com:99999/"}, "webhook_url"),
    ({"webhook_url": "http://example.com/" + "x" * 2048}, "webhook_url"),
    ({"session_id": ""}, "session_id"),
    ({"session_id": "s" * 129}, "session_id"),
    ({"recipe_name": "unheard-of"}, "agent"),
    ({"recipe_name": "quick", "agent": "echo"}, "recipe_name"),
    ({"recipe_config": []}, "recipe_config"),
    ({"config": "x"}, "config"),
    ({"idempotency_scope": "galaxy"}, "idempotency_scope"),
    ({"envs": {"A": 1}}, "envs"),
    ({"envs": {"A=B": "x"}}, "envs"),
    ({"envs": {"": "x"}}, "envs"),
    ({"envs": {"PRAISONRUN_RUN_ID": "x"}}, "envs"),
    ({"agent": "needy"}, "envs"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"k": "é" * 33_000}}, "metadata"),
    ({"envs": {"A": "x" * 131_072}}, "envs"),
    ({"priority": "high"}, "priority"),
    ({"retries": -1}, "retries"),
    ({"retries": 101}, "retries"),
    ({"retention_seconds": 0}, "retention_seconds"),
]


@pytest.mark.parametrize(("body", "field"), FAULTS, ids=lambda value: str(value)[:40])
def test_any_other_field_at_fault_is_a_422_that_names_it(api: Api, body: Json, field: str) -> None:
    before = api.get(RUNS).json()["total"]
    answer = api.post(RUNS, json={"prompt": "x", **body})
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (422, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["errors"][0]["loc"][0] == field
    assert problem["detail"]
    assert api.get(RUNS).json()["total"] == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"prompt": "x", "prompt": "y"}', b'{"prompt": "\xff"}']
)
def test_a_body_that_is_no_json_object_is_a_422(api: Api, body: bytes) -> None:
    answer = api.post(RUNS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_what_is_not_json_at_all_is_a_415(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        answer = api.post(RUNS, content=b'{"prompt": "x"}', headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["title"]) == (415, "Unsupported Media Type")
    assert api.post(RUNS, content=b"{}", headers={"Content-Type": ""}).status_code == 415


def test_a_body_is_at_most_eight_megabytes(api: Api) -> None:
    answer = api.post(
        RUNS, content=b" " * (8 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_prompt_of_a_megabyte_and_any_unicode_arrives_whole(api: Api) -> None:
    prompt = "\u2028'\"\\\r\n\x7f\U0001f600" + "é" * 500_000
    assert api.result(api.ran("cat", prompt)["job_id"])["result"] == prompt


def test_inline_agents_are_off(api: Api) -> None:
    answer = api.post(RUNS, json={"prompt": "x", "agent_yaml": "agents: {}"})
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")


def test_an_agent_file_lies_inside_the_roots(api: Api, shared: Server, tmp_path: Path) -> None:
    file = shared.home / "more.yaml"
    file.write_text("agents: {extra: {command: [/bin/echo, extra], prompt: none}}")
    (tmp_path / "out.yaml").write_text("agents: {extra: {command: [/bin/true]}}")
    (shared.home / "link.yaml").symlink_to(tmp_path / "out.yaml")
    done = api.ended(api.post(RUNS, json={"prompt": "x", "agent_file": "more.yaml"}).json()["job_id"])
    assert (done["agent"], api.result(done["job_id"])["result"]) == ("extra", "extra\n")
    for outside in ("../out.yaml", str(tmp_path / "out.yaml"), "link.yaml", "/etc/passwd", "none.yaml"):
        answer = api.post(RUNS, json={"prompt": "x", "agent_file": outside})
        assert answer.status_code == 400, outside
    assert api.post(RUNS, json={"prompt": "x", "agent_file": "agents.yaml"}).status_code == 202


def test_a_framework_is_ignored_by_commands_and_checked_for_crews(api: Api, shared: Server) -> None:
    crew = shared.home / "crew.yaml"
    crew.write_text(
        "roles: {r: {role: r, goal: g, backstory: b, tasks: {t: {description: d, expected_output: e}}}}"
    )
    assert api.submit("quick", framework="no-such-framework")
    answer = api.post(RUNS, json={"prompt": "x", "agent_file": "crew.yaml", "framework": "no-such-framework"})
    assert answer.status_code == 422
    assert "no-such-framework" in answer.json()["detail"]


def test_the_smaller_timeout_counts(api: Api) -> None:
    assert api.status(api.submit("echo", timeout=5))["timeout"] == 5
    assert api.status(api.submit("echo", timeout=3600))["timeout"] == 60  # the entry's own
    assert api.status(api.submit("quick"))["timeout"] == 3600
    assert api.status(api.submit("echo", timeout=None))["timeout"] == 60


def test_config_recipe_and_session_reach_the_agent(api: Api) -> None:
    done = api.ran("input", "p", config={"a": 1}, recipe_config={"b": [2]}, session_id="s-1", unknown=1)
    shown = api.result(done["job_id"])["result"]
    assert shown == '{"prompt": "p", "config": {"a": 1}, "recipe_config": {"b": [2]}}s-1'
    assert done["session_id"] == "s-1"
    recipe = api.post(RUNS, json={"prompt": "x", "recipe_name": "quick"}).json()["job_id"]
    assert api.status(recipe)["agent"] == "quick"


def test_metadata_retries_and_envs(api: Api) -> None:
    done = api.ran("fail", metadata={"k": ["v", None, 1.5]}, retries=0, priority=3, retention_seconds=60)
    assert (done["metadata"], done["attempt"]) == ({"k": ["v", None, 1.5]}, 1)
    done = api.ran("needy", envs={"SECRET": "123"})
    assert api.result(done["job_id"])["result"] == "3\n"
    assert "123" not in str(done["metadata"])


def test_a_field_that_means_nothing_is_named(api: Api) -> None:
    clients = dict.fromkeys(
        ("agent_file", "agent_yaml", "recipe_name", "recipe_config", "config", "webhook_url")
    )
    known = api.post(RUNS, json={"prompt": "x", "framework": "praisonai", "timeout": 60, **clients})
    assert (known.status_code, "warnings" in known.json()) == (202, False)
    typo = {"prompt": "x", "agnet": "fail", "zzz\u001b": None}
    answer = api.post(RUNS, json=typo)
    assert answer.status_code == 202
    assert answer.json()["warnings"] == [
        "the field 'agnet' is unknown and was ignored; did you mean 'agent'?",
        "the field 'zzz\\x1b' is unknown and was ignored",
    ]
    keyed = [api.post(RUNS, json=typo, headers={"Idempotency-Key": "typo"}).json() for _ in "12"]
    assert keyed[0] == keyed[1] | {"status": keyed[0]["status"]}
    before = api.get(RUNS).json()["total"]
    strict = api.post(RUNS, json=typo, headers={"Prefer": "respond-async, handling=strict"})
    assert strict.status_code == 422
    assert strict.json()["detail"] == "the field 'agnet' is unknown; did you mean 'agent'?"
    assert api.get(RUNS).json()["total"] == before
