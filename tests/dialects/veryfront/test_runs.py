"""Veryfront runs as clients meet them: conversations, lists, trees, cancels, output."""

from __future__ import annotations

import json
import uuid

from ...rigs.veryfront_rig import TALK, agent, create, ended, fit, got, made, ran, rejected, task, until_said
from ...rigs.wire_rig import Api


def fresh() -> str:
    return str(uuid.uuid4())


def test_conversations(canon: Api) -> None:
    new = create(canon, agent("quick", conversation_mode="create_new"))
    assert uuid.UUID(new["conversation_id"])
    assert uuid.UUID(new["message_id"])
    existing = create(canon, agent("quick", conversation_mode="existing", conversation_id=(other := fresh())))
    none = create(canon, agent("quick", conversation_mode="none"))
    assert (existing["conversation_id"], none["conversation_id"], none["message_id"]) == (other, None, None)
    for accepted, talks in ((new, [new["conversation_id"], TALK]), (existing, [other, TALK]), (none, [TALK])):
        run_id = accepted["run"]["run_id"]
        done = ended(canon, run_id)
        for talk in talks:
            shown = canon.get(f"/conversations/{talk}/runs/{run_id}").json()
            assert (shown["conversation_id"], shown["agent_id"]) == (talks[0], "quick")
            assert (shown["status"], shown["started_at"]) == ("completed", done["started_at"])
            assert (shown["finished_at"], shown["terminal_error_code"]) == (done["completed_at"], None)
            assert uuid.UUID(shown["message_id"])
            if accepted is new:
                assert shown["message_id"] == new["message_id"]
        assert canon.get(f"/conversations/{fresh()}/runs/{run_id}").status_code == 404
    private = made(canon, task("quick"))
    for path in ("", "/events", "/stream"):
        assert canon.get(f"/conversations/{TALK}/runs/{private}{path}").status_code == 404


def test_a_failure_in_its_conversation(canon: Api) -> None:
    run_id = ran(canon, agent("fail", "x"))["run_id"]
    shown = canon.get(f"/conversations/{TALK}/runs/{run_id}").json()
    assert (shown["status"], shown["terminal_error_code"]) == ("failed", "exit_nonzero")
    assert shown["terminal_error_message"] == "exited with code 7"


def test_lists_by_project_page_by_page(canon: Api) -> None:
    owner = {"kind": "project", "id": fresh()}
    made_ids = [made(canon, task("quick", owner=owner)) for _ in range(5)]
    other = made(canon, task("quick"))
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = fit("list", canon.get(f"/projects/{owner['id'].upper()}/runs", params=query))
        assert page["page_info"]["self"] == cursor
        seen += [run["run_id"] for run in page["data"]]
        cursor = page["page_info"]["next"]
        if cursor is None:
            break
    assert seen == made_ids[::-1]
    everything = fit("list", canon.get("/projects/any-name/runs", params={"limit": 200}))["data"]
    assert {other, *made_ids} <= {run["run_id"] for run in everything}
    assert fit("list", canon.get(f"/projects/{fresh()}/runs"))["data"] == []
    for bad in ("limit=0", "limit=201", "cursor=x", "cursor=-1", "limit=1&limit=2"):
        assert canon.get(f"/projects/local/runs?{bad}").status_code == 400


def test_trees(canon: Api) -> None:
    top = made(canon, task("wait"))
    below = made(canon, task("wait", parent_run_id=top))
    lowest = made(canon, agent("wait", "x", parent_run_id=below))
    beside = made(canon, task("wait"))
    listed = fit("list", canon.get("/projects/local/runs", params={"root_run_id": top}))["data"]
    assert [(run["run_id"], run["parent_run_id"], run["root_run_id"]) for run in listed] == [
        (lowest, below, top), (below, top, top), (top, None, top),
    ]  # fmt: skip
    until_said(canon, lowest)
    answer = fit("cancelled", canon.post(f"/runs/{top}/cancel"))
    assert (answer["cancelled"], answer["run"]["status"]) == (True, "cancelled")
    assert [got(canon, run_id)["status"] for run_id in (below, lowest)] == ["cancelled"] * 2
    assert got(canon, beside)["status"] != "cancelled"
    assert "no more children" in rejected(canon, task(parent_run_id=top), 409)
    canon.post(f"/runs/{beside}/cancel")


def test_cancel_says_what_became_of_it(canon: Api) -> None:
    run_id = made(canon, task("wait"))
    for _ in range(2):
        answer = fit("cancelled", canon.post(f"/runs/{run_id}/cancel"))
        assert (answer["cancelled"], answer["run"]["error"]) == (True, {"message": "cancelled"})
    done = ran(canon, task("quick"))["run_id"]
    answer = fit("cancelled", canon.post(f"/runs/{done}/cancel", json={}))
    assert (answer["cancelled"], answer["run"]["status"]) == (False, "completed")
    assert canon.post("/runs/nobody/cancel").status_code == 404


def test_nobody_else_completes_a_run(canon: Api) -> None:
    run_id = made(canon, task("quick"))
    answer = canon.post(f"/runs/{run_id}/complete", json={"status": "completed"})
    assert (answer.status_code, "praisonrun" in answer.json()["detail"]) == (400, True)
    assert canon.post("/runs/nobody/complete").status_code == 404


def test_a_timeout_goes_downwards_only(canon: Api) -> None:
    assert ran(canon, task("echo", timeout_seconds=5))["timeout_seconds"] == 5
    assert ran(canon, task("echo", timeout_seconds=500))["timeout_seconds"] == 60
    assert ran(canon, task("short"))["error"]["code"] == "timed_out"


def test_attempts_are_told_apart_in_the_logs(canon: Api) -> None:
    run = ran(canon, task("twice", backoff_limit=3))
    assert (run["status"], run["output"], run["backoff_limit"]) == ("completed", "try 2\n", 3)
    first, _, second = run["logs"].partition("--- attempt 2 ---\n")
    assert sorted(first.splitlines()) == ["err", "try 1"]
    assert sorted(second.splitlines()) == ["err", "try 2"]


def test_the_timeout_is_each_attempt_s_own(canon: Api) -> None:
    run = ran(canon, task("stuck", backoff_limit=1))
    assert (run["error"]["code"], run["error"]["detail"]["attempt"]) == ("timed_out", 2)
    assert run["logs"] == "up\n--- attempt 2 ---\nup\n"
    assert 300 <= run["duration_ms"] < 60_000


def test_a_cancel_in_the_pause_ends_it_at_once(canon: Api) -> None:
    run_id = made(canon, agent("slow", "x", backoff_limit=2))
    with canon.stream("GET", f"/conversations/{TALK}/runs/{run_id}/stream") as stream:
        lines = stream.iter_lines()
        assert any(line == "event: TextMessageEnd" for line in lines)
        answer = fit("cancelled", canon.post(f"/runs/{run_id}/cancel"))
        assert (answer["cancelled"], answer["run"]["logs"]) == (True, "no\n")
        assert [line for line in lines if line.startswith("event")] == ["event: RunError"]


def test_the_result_file_and_the_artifacts(canon: Api) -> None:
    assert ran(canon, task("result", {"prompt": '{"answer": [42]}'}))["output"] == {"answer": [42]}
    run = ran(canon, task("makes", {"prompt": "four"}))
    assert run["artifacts"] == [{"kind": "file", "path": "a.txt", "contentType": "text/plain", "size": 4}]
    kept = canon.get(f"/api/v1/runs/{run['run_id']}/artifacts/a.txt")
    assert (kept.text, kept.headers["content-disposition"].split(";")[0]) == ("four", "attachment")
    listed = fit("list", canon.get("/projects/local/runs", params={"limit": 1}))["data"][0]
    assert (listed["run_id"], listed["artifacts"]) == (run["run_id"], run["artifacts"])
    assert (listed["logs"], "output" in listed) == (None, False)


def test_declared_outputs_are_artifacts_too(canon: Api) -> None:
    run = ran(canon, task("report", {"prompt": "{}"}))
    assert run["artifacts"] == [
        {"kind": "output", "path": "b.json", "contentType": "application/json", "size": 2},
        {"kind": "file", "path": "a.txt", "contentType": "text/plain", "size": 0},
    ]
    odd = {"outputs": ["x", {"kind": "file", "status": "available", "configured_path": 5, "size_bytes": "y"}]}
    assert ran(canon, task("result", {"prompt": json.dumps(odd)}))["artifacts"] == []


def test_the_logs_are_the_last_256_kib(canon: Api) -> None:
    run = ran(canon, task("count", {"prompt": "40000"}))
    assert len(run["logs"].encode()) == 256 * 1024
    assert run["logs"].endswith("line 39999\n")
    odd = ran(canon, task("bytes", {"prompt": "ff" + "e282ac" * 100_000}))
    assert len(odd["logs"].encode()) <= 256 * 1024
    assert set(odd["logs"]) == {"€"}


def test_a_run_of_the_jobs_dialect_is_a_run(canon: Api) -> None:
    run_id = canon.submit("echo", "hello", metadata={"m": 1}, session_id="s")
    run = ended(canon, run_id)
    assert (run["kind"], run["target"], run["metadata"]) == ("agent", "agent:echo", {"m": 1})
    assert (run["input"], run["output"]) == ({"prompt": "hello"}, "got hello\n")
    listed = fit("list", canon.get(f"/projects/{run['owner']['id']}/runs", params={"limit": 200}))["data"]
    assert run_id in [one["run_id"] for one in listed]
    again = canon.post(f"/api/v1/runs/{ran(canon, task('echo', {'prompt': 'x'}))['run_id']}/retry")
    assert ended(canon, again.json()["job_id"])["kind"] == "task"
