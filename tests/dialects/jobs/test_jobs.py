"""The jobs dialect over real HTTP: each row, field, rule and text of its contract."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from praisonrun.core.model import Run, Status
from praisonrun.dialects.jobs import show
from praisonrun.engine.engine import _snapshot

from ...rigs.harness import Json, Server
from ...rigs.wire_rig import RUNS, Api

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
STATUS_KEYS = {
    "job_id", "status", "progress", "created_at", "started_at", "completed_at", "agent_id", "run_id",
    "session_id", "error", "retry_after",
    "agent", "exit_code", "timeout", "attempt", "metadata", "failure", "retry_of", "parent", "root",
}  # fmt: skip
RESULT_KEYS = {
    "job_id", "status", "result", "result_url", "metrics", "created_at", "started_at", "completed_at",
    "duration_seconds", "error",
}  # fmt: skip


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


# Idempotency


def keyed(api: Api, key: str | None, **body: Json) -> httpx2.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post(RUNS, json={"prompt": "x", "agent": "quick", **body}, headers=headers)


def test_a_key_makes_one_run(api: Api) -> None:
    first = keyed(api, "one-key")
    api.ended(first.json()["job_id"])
    for key in ("one-key", '"one-key"'):
        again = keyed(api, key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.json() == {**first.json(), "status": "succeeded"}  # as it is now
        assert again.headers["location"] == first.headers["location"]


def test_the_order_of_keys_in_a_body_does_not_matter(api: Api) -> None:
    one, two = '{"prompt":"x","config":{"a":1,"b":2}}', '{"config": {"b": 2, "a": 1}, "prompt": "x"}'
    headers = {"Idempotency-Key": "order", "Content-Type": "application/json"}
    ids = {api.post(RUNS, content=body, headers=headers).json()["job_id"] for body in (one, two)}
    assert len(ids) == 1


def test_another_payload_is_a_409(api: Api) -> None:
    keyed(api, "two-payloads", envs={"A": "1"})
    assert keyed(api, "two-payloads", envs={"A": "2"}).status_code == 202  # env values are never kept
    for other in ({"prompt": "y"}, {"timeout": 5}, {"envs": {"B": "1"}}, {"anything": 1}):
        answer = keyed(api, "two-payloads", **{"envs": {"A": "1"}, **other})
        assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
        assert "key" in answer.json()["detail"]


def test_the_header_wins_over_the_body(api: Api) -> None:
    body_form = keyed(api, None, idempotency_key="in-body").json()["job_id"]
    assert keyed(api, "in-body").json()["job_id"] == body_form
    other = keyed(api, "in-header", idempotency_key="in-body").json()["job_id"]
    assert other != body_form
    assert keyed(api, "in-header").json()["job_id"] == other


def test_the_scope_of_a_key(api: Api) -> None:
    def asked(scope: str | None, session: str | None) -> str:
        answer = keyed(api, "scoped", idempotency_scope=scope, session_id=session)
        return str(answer.json().get("job_id", answer.status_code))

    everywhere = {asked("none", "s1"), asked("global", "s1"), asked(None, "s1")}
    one, two = asked("session", "s1"), asked("session", "s2")
    assert len(everywhere) == 1
    assert len({one, two, *everywhere}) == 3
    assert asked("session", "s1") == one
    assert asked("none", "s2") == "409"  # one key space, and another payload


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 256, '"' + "k" * 256 + '"', "k\u00e9"])
def test_a_key_is_visible_ascii(api: Api, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")), (b"Content-Type", b"application/json")]
    answer = api.post(RUNS, content=b'{"prompt": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (400, "Bad Request")
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_key_is_given_once(api: Api) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert api.post(RUNS, json={"prompt": "x"}, headers=headers).status_code == 400


def test_quotes_belong_to_a_key_unless_they_surround_it(api: Api) -> None:
    ids = {
        keyed(api, key).json()["job_id"] for key in ('half"', "half", '"half', "k" * 255, f'"{"k" * 255}"')
    }
    assert len(ids) == 4


def test_a_key_in_vain_is_free_again(api: Api) -> None:
    assert keyed(api, "in-vain", timeout=0).status_code == 422
    assert "idempotency-replayed" not in keyed(api, "in-vain").headers


def test_a_key_lives_as_long_as_its_run(api: Api) -> None:
    first = keyed(api, "mortal").json()["job_id"]
    api.ended(first)
    api.delete(f"{RUNS}/{first}")
    again = keyed(api, "mortal")
    assert again.json()["job_id"] != first
    assert "idempotency-replayed" not in again.headers


@pytest.mark.scorecard(17)
async def test_fifty_at_once_are_one_run(shared: Server) -> None:
    async with httpx2.AsyncClient(base_url=shared.url, timeout=30) as client:
        body, headers = {"prompt": "x", "agent": "quick"}, {"Idempotency-Key": "fifty"}
        answers = await asyncio.gather(*(client.post(RUNS, json=body, headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count("true") == 49


@pytest.mark.scorecard(17)
def test_a_key_outlives_a_killed_server(server: Server) -> None:
    body, headers = {"prompt": "x", "agent": "quick"}, {"Idempotency-Key": "durable"}
    with server.client() as client:
        first = client.post(RUNS, json=body, headers=headers).json()["job_id"]
    server.kill()
    server.start()
    with server.client() as client:
        again = client.post(RUNS, json=body, headers=headers)
        assert (again.json()["job_id"], again.headers["idempotency-replayed"]) == (first, "true")
        assert client.post(RUNS, json={**body, "prompt": "y"}, headers=headers).status_code == 409
        assert client.get(RUNS).json()["total"] == 1


# Status and result


def test_a_status_has_all_its_keys_all_the_way(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"), session_id="s", metadata={"a": 1})
    answer = api.get(f"{RUNS}/{run_id}")
    assert (answer.json().keys(), answer.headers["retry-after"]) == (STATUS_KEYS, "1")
    assert answer.json()["status"] in ("queued", "running")
    api.until(run_id, "up")
    live = api.status(run_id)
    assert (live["status"], live["retry_after"], live["completed_at"], live["error"]) == (
        "running",
        1,
        None,
        None,
    )
    assert TIME.fullmatch(live["started_at"])
    (tmp_path / "gate").touch()
    done = api.ended(run_id)
    assert done.keys() == STATUS_KEYS
    assert "retry-after" not in api.get(f"{RUNS}/{run_id}").headers
    assert (done["status"], done["retry_after"], done["exit_code"], done["attempt"]) == (
        "succeeded",
        None,
        0,
        1,
    )
    assert (done["agent"], done["agent_id"], done["run_id"], done["job_id"]) == (
        "until",
        "until",
        run_id,
        run_id,
    )
    assert (done["session_id"], done["metadata"], done["failure"]) == ("s", {"a": 1}, None)
    assert TIME.fullmatch(done["completed_at"])
    whole = {"percentage": 100.0, "current_step": None, "steps_completed": 0, "steps_total": None}
    assert done["progress"] == whole


def test_a_queued_run_shows_as_queued(server: Server, tmp_path: Path) -> None:
    server.stop()
    server.start("--concurrency", "1")
    with Api(server.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), api.submit("quick")
        shown = api.status(queued)
        assert shown.keys() == STATUS_KEYS
        assert (shown["status"], shown["started_at"], shown["attempt"]) == ("queued", None, 0)
        assert [job["job_id"] for job in api.get(f"{RUNS}?status=queued").json()["jobs"]] == [queued]
        cancelled = api.post(f"{RUNS}/{queued}/cancel").json()
        assert (cancelled["status"], cancelled["started_at"]) == ("cancelled", None)
        assert [name for _, name, _ in api.events(queued)] == ["status", "cancelled", "complete", ""]
        result = api.result(queued)
        assert (result["result"], result["duration_seconds"], result["error"]) == (None, None, "cancelled")
        (tmp_path / "gate").touch()
        assert api.ended(held)["status"] == "succeeded"


def test_progress_is_shown_while_and_after(api: Api) -> None:
    done = api.ran("story")
    assert done["progress"] == {
        "percentage": 50.0, "current_step": "half", "steps_completed": 1, "steps_total": 2,
    }  # fmt: skip


def test_a_timed_out_run_is_failed_and_says_so(api: Api) -> None:
    done = api.ran("short")
    assert (done["status"], done["error"], done["failure"]) == (
        "failed",
        "timed out after 0.2 s",
        "timed_out",
    )


def test_a_result_has_all_its_keys(api: Api) -> None:
    run_id = api.ran("echo", "hi")["job_id"]
    result = api.result(run_id)
    assert result.keys() == RESULT_KEYS
    assert (result["job_id"], result["status"], result["result"]) == (run_id, "succeeded", "got hi\n")
    assert (result["result_url"], result["error"]) == (None, None)
    assert {"wall_seconds", "cpu_seconds", "max_rss_bytes", "stdout_bytes"} <= result["metrics"].keys()
    assert result["metrics"]["stdout_bytes"] == 7
    assert result["duration_seconds"] > 0
    for name in ("created_at", "started_at", "completed_at"):
        assert TIME.fullmatch(result[name])


def test_failed_and_cancelled_runs_have_a_result_too(api: Api) -> None:
    failed = api.result(api.ran("fail")["job_id"])
    assert (failed["status"], failed["error"], failed["result"]) == ("failed", "exited with code 7", "no\n")
    run_id = api.submit("wait")
    api.until(run_id, "up")
    api.post(f"{RUNS}/{run_id}/cancel")
    cancelled = api.result(run_id)
    assert (cancelled["status"], cancelled["error"], cancelled["result"]) == (
        "cancelled",
        "cancelled",
        "up\n",
    )


def test_a_result_is_what_was_left_then_what_the_format_says_then_stdout(api: Api) -> None:
    assert api.result(api.ran("story")["job_id"])["result"] == {"answer": 42}
    assert api.result(api.ran("left", "no JSON")["job_id"])["result"] == "no JSON"
    assert api.result(api.ran("left", "[NaN]")["job_id"])["result"] == "[NaN]"
    assert api.result(api.ran("jsonl", "p")["job_id"])["result"] == {"p": "p"}
    assert api.result(api.ran("said", '{"type":"result","result":null}\n')["job_id"])["result"] is None


def test_usage_is_part_of_the_metrics(api: Api) -> None:
    assert api.result(api.ran("story")["job_id"])["metrics"]["usage"] == {"input_tokens": 3}


def test_a_long_answer_shows_its_ends_and_where_the_rest_is(api: Api, tmp_path: Path) -> None:
    lines = 200_000
    run_id = api.ran("count", str(lines))["job_id"]
    whole = "".join(f"line {i}\n" for i in range(lines))
    result = api.result(run_id)
    half = 512 * 1024
    assert result["result"].startswith(whole[:half])
    assert result["result"].endswith(whole[-half:])
    assert f"{len(whole) - 2 * half} bytes omitted" in result["result"]
    assert api.get(result["result_url"]).text == whole
    exact = "x" * (1024 * 1024)
    shown = api.result(api.ran("cat", exact)["job_id"])
    assert (shown["result"], shown["result_url"]) == (exact, None)


def test_json_that_nests_too_deep_or_holds_half_a_character_stays_readable(api: Api) -> None:
    deep = "[" * 900 + "]" * 900
    assert api.result(api.ran("left", deep)["job_id"])["result"] == deep
    half = api.ran("left", '{"half": "\\ud83d", "big": 1e999}')["job_id"]
    assert api.result(half)["result"] == {"half": "\ud83d", "big": None}
    line = '{"type":"result","result":' + deep + "}\n"
    done = api.ran("said", line)
    assert (done["status"], done["failure"]) == ("failed", "no_result")


# Lists


def test_a_list_is_newest_first_and_in_pages(api: Api) -> None:
    ids = [api.submit("quick", session_id="pages") for _ in range(5)]
    first = api.get(f"{RUNS}?session_id=pages&page_size=2").json()
    assert first.keys() == {"jobs", "total", "page", "page_size"}
    assert (first["total"], first["page"], first["page_size"]) == (5, 1, 2)
    assert [job["job_id"] for job in first["jobs"]] == [ids[4], ids[3]]
    assert all(job.keys() == STATUS_KEYS for job in first["jobs"])
    last = api.get(f"{RUNS}?session_id=pages&page_size=2&page=3").json()
    assert [job["job_id"] for job in last["jobs"]] == [ids[0]]
    beyond = api.get(f"{RUNS}?session_id=pages&page=1000000000").json()
    assert (beyond["jobs"], beyond["total"]) == ([], 5)
    assert api.get(RUNS).json()["page_size"] == 20


def test_a_list_is_filtered(api: Api) -> None:
    good = api.ran("quick", session_id="filters")["job_id"]
    bad = api.ran("fail", session_id="filters")["job_id"]

    def found(query: str) -> list[str]:
        return [job["job_id"] for job in api.get(f"{RUNS}?session_id=filters&{query}").json()["jobs"]]

    assert found("status=succeeded") == [good]
    assert found("status=failed") == [bad]
    assert found("agent=fail") == [bad]
    assert found("agent=fail&status=succeeded") == []
    assert found("agent=unheard-of") == []
    assert found("unknown=1") == [bad, good]
    assert good in [job["job_id"] for job in api.get(f"{RUNS}?status=succeeded&page_size=100").json()["jobs"]]


def test_a_bad_status_is_a_400_that_lists_the_good_ones(api: Api) -> None:
    answer = api.get(f"{RUNS}?status=done")
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Invalid status: done. Valid values: ['cancelled', 'failed', 'queued', 'running', 'succeeded']"
    )


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=", "page_size=0", "page_size=101", "page=1&page=2"]
)
def test_a_bad_page_is_a_422(api: Api, query: str) -> None:
    answer = api.get(f"{RUNS}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == [query.split("=")[0]]


# Cancel, delete, retry


def test_a_cancel_answers_once_the_run_has_ended(api: Api) -> None:
    run_id = api.submit("wait")
    api.until(run_id, "up")
    answer = api.post(f"{RUNS}/{run_id}/cancel")
    assert answer.status_code == 200
    assert (answer.json().keys(), answer.json()["status"]) == (STATUS_KEYS, "cancelled")
    assert (answer.json()["retry_after"], answer.json()["error"]) == (None, "cancelled")
    again = api.post(f"{RUNS}/{run_id}/cancel")
    assert (again.status_code, again.json()["detail"]) == (409, "Job is already complete. Status: cancelled")


def test_a_cancel_kills_what_ignores_it(api: Api) -> None:
    run_id = api.submit("stubborn")
    api.until(run_id, "up")
    assert api.post(f"{RUNS}/{run_id}/cancel").json()["status"] == "cancelled"


def test_a_cancel_that_does_not_wait(api: Api) -> None:
    run_id = api.submit("stubborn")
    api.until(run_id, "up")
    answer = api.post(f"{RUNS}/{run_id}/cancel?wait=false")
    assert (answer.status_code, answer.json()["status"], answer.headers["retry-after"]) == (
        200,
        "running",
        "1",
    )
    assert api.post(f"{RUNS}/{run_id}/cancel?wait=false").status_code == 200  # harmless while it ends
    assert api.ended(run_id)["status"] == "cancelled"
    assert api.post(f"{RUNS}/{run_id}/cancel?wait=perhaps").status_code == 422


def test_a_cancel_right_after_the_submit(api: Api) -> None:
    for query in ("", "?wait=false"):
        run_id = api.submit("wait")
        assert api.post(f"{RUNS}/{run_id}/cancel{query}").status_code == 200
        assert api.ended(run_id)["status"] == "cancelled"


def test_a_cancel_between_two_attempts(api: Api) -> None:
    run_id = api.submit("again")
    api.until(run_id, "no")
    while (shown := api.status(run_id))["status"] != "queued":  # the attempt's process is ending
        pass
    assert (shown["attempt"], shown["exit_code"], shown["error"]) == (1, None, None)
    cancelled = api.post(f"{RUNS}/{run_id}/cancel").json()
    assert (cancelled["status"], cancelled["attempt"]) == ("cancelled", 1)
    told = api.events(run_id)
    assert [name for _, name, _ in told] == ["status", "status", "log", "cancelled", "complete", ""]
    ids = [number for number, _, _ in told[:-1]]
    assert ids == sorted(ids, key=lambda number: number or 0)
    assert api.result(run_id)["result"] == "no\n"


def test_a_delete_leaves_nothing(api: Api, shared: Server) -> None:
    run_id = api.ran("story")["job_id"]
    runs = shared.state / "runs"
    assert [entry.name for entry in runs.glob(f"{run_id}*")]
    answer = api.delete(f"{RUNS}/{run_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not list(runs.glob(f"{run_id}*"))
    for path in ("", "/result", "/stream", "/logs", "/events"):
        answer = api.get(f"{RUNS}/{run_id}{path}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"Job not found: {run_id}")
    assert api.delete(f"{RUNS}/{run_id}").status_code == 404


def test_what_a_live_run_refuses(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    refusals = {
        ("DELETE", ""): "Cannot delete a running job. Cancel it first.",
        ("GET", "/result"): "Job is not complete. Current status: running",
        ("POST", "/retry"): f"run {run_id} is running; only a finished run can be retried",
    }
    for (method, path), text in refusals.items():
        answer = api.request(method, f"{RUNS}/{run_id}{path}")
        assert (answer.status_code, answer.json()["detail"]) == (409, text)
    (tmp_path / "gate").touch()
    assert api.ended(run_id)["status"] == "succeeded"
    answer = api.post(f"{RUNS}/{run_id}/cancel")
    assert answer.json()["detail"] == "Job is already complete. Status: succeeded"


def test_a_retry_is_a_new_run_that_names_its_origin(api: Api) -> None:
    origin = api.ran("fail", session_id="s", metadata={"m": 1})
    answer = api.post(f"{RUNS}/{origin['job_id']}/retry")
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["poll_url"]
    assert answer.headers["retry-after"] == "1"
    done = api.ended(answer.json()["job_id"])
    assert done["job_id"] != origin["job_id"]
    assert (done["retry_of"], done["session_id"], done["metadata"]) == (origin["job_id"], "s", {"m": 1})


def test_a_retry_needs_the_envs_again(api: Api) -> None:
    run_id = api.ran("needy", envs={"SECRET": "1"})["job_id"]
    answer = api.post(f"{RUNS}/{run_id}/retry")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["envs"])
    again = api.post(f"{RUNS}/{run_id}/retry", json={"envs": {"SECRET": "1234"}}).json()["job_id"]
    assert api.ended(again)["status"] == "succeeded"
    assert api.result(again)["result"] == "4\n"


# Errors


@pytest.mark.parametrize("run_id", ["run_unknown", "..", "%00", "%ff", "%2e%2e%2fx", "run_" + "x" * 300, "*"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/result"),
     ("GET", "/stream"), ("GET", "/events"), ("GET", "/logs")],
)  # fmt: skip
def test_an_unknown_run_is_a_404(shared: Server, method: str, path: str, run_id: str) -> None:
    target = f"{RUNS}/{run_id}{path}".replace("/..", "/%2e%2e")
    with httpx2.Client() as client:
        answer = client.request(method, httpx2.URL(shared.url, raw_path=target.encode()))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    if run_id == "run_unknown":
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "Job not found: run_unknown",
        }


def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    for path in ("/", "/api/v1", RUNS + "/", "/docs", "/favicon.ico"):
        assert api.get(path).status_code == 404
    answer = api.put(RUNS)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})
    assert answer.json()["title"] == "Method Not Allowed"


def test_a_full_queue_is_a_503_before_any_row(server: Server, tmp_path: Path) -> None:
    server.stop()
    server.start("--concurrency", "1", "--queue-limit", "1")
    with Api(server.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), keyed(api, "fits").json()["job_id"]
        answer = keyed(api, "does not fit".replace(" ", "-"))
        assert (answer.status_code, answer.json()["detail"]) == (503, "Job queue is full; retry later.")
        assert int(answer.headers["retry-after"]) >= 1
        assert keyed(api, "fits").json()["job_id"] == queued
        assert api.get(RUNS).json()["total"] == 2
        (tmp_path / "gate").touch()
        assert [api.ended(each)["status"] for each in (held, queued)] == ["succeeded"] * 2


@pytest.mark.scorecard(10)
def test_a_full_disk_is_a_507_before_any_row(server: Server) -> None:
    server.stop()
    server.start("--min-free", "1000000000")
    with Api(server.url) as api:
        answer = api.post(RUNS, json={"prompt": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (507, "60")
        assert api.get(RUNS).json()["total"] == 0
        assert api.get("/health").json()["status"] == "degraded"


# Races


async def test_what_was_accepted_before_a_stop_is_there_after_it(server: Server) -> None:
    accepted: list[str] = []

    async def submit_on(client: httpx2.AsyncClient) -> None:
        while True:
            try:
                answer = await client.post(RUNS, json={"prompt": "x", "agent": "quick"})
            except httpx2.TransportError:
                return
            if answer.status_code != 202:
                return
            accepted.append(answer.json()["job_id"])
            if len(accepted) == 20:
                stopped.set()

    stopped = asyncio.Event()
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
        waiting = [asyncio.create_task(submit_on(client)) for _ in range(8)]
        await stopped.wait()
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.gather(*waiting)
    assert not [line for line in server.said if "Traceback" in line]
    server.start()
    with Api(server.url) as api:
        assert {api.ended(run_id)["status"] for run_id in accepted} == {"succeeded"}
        assert api.get(RUNS).json()["total"] >= len(accepted)


def test_a_run_that_is_claimed_but_not_begun_is_still_queued() -> None:
    run = Run("run_x", "a", "v", 1, 1, 1, status=Status.RUNNING, started_at=1)
    assert show.status(_snapshot(run))["status"] == "queued"
    assert show.status(_snapshot(run))["started_at"] is None
