"""Cancel, delete and retry of the jobs dialect."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from praisonrun.web.fields import PROMPT_LIMIT

from ...rigs.harness import Json, Server
from ...rigs.wire_rig import RUNS, STATUS_KEYS, Api

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
    assert [name for _, name, _ in told] == [
        *("status", "status", "attempt", "log", "attempt", "cancelled", "complete", "done"),
    ]
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


def test_a_retry_may_have_another_prompt(api: Api) -> None:
    plain, given = api.ran("cat", "one"), api.ran("input", "one", config={"a": 1})
    told = {}
    for origin in (plain, given):
        answer = api.post(f"{RUNS}/{origin['job_id']}/retry", json={"prompt": "zwei ä"})
        assert answer.status_code == 202, answer.text
        done = api.ended(answer.json()["job_id"])
        assert (done["title"], done["retry_of"]) == ("zwei ä", origin["job_id"])
        told[done["agent"]] = api.result(done["job_id"])["result"]
    assert told["cat"] == "zwei ä"
    assert json.loads(told["input"]) == {"prompt": "zwei ä", "config": {"a": 1}}
    for prompt in ("", "x" * (PROMPT_LIMIT + 1)):
        assert api.post(f"{RUNS}/{plain['job_id']}/retry", json={"prompt": prompt}).status_code == 422


def test_a_retry_with_a_key_is_made_once(api: Api) -> None:
    url = f"{RUNS}/{api.ran('cat')['job_id']}/retry"

    def again(body: Json) -> httpx2.Response:
        return api.post(url, json=body, headers={"Idempotency-Key": "again"})

    first, second = again({"prompt": "x"}), again({"prompt": "x"})
    assert first.json()["job_id"] == second.json()["job_id"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert again({"prompt": "y"}).status_code == 409


def test_a_retry_needs_the_envs_again(api: Api) -> None:
    run_id = api.ran("needy", envs={"SECRET": "1"})["job_id"]
    answer = api.post(f"{RUNS}/{run_id}/retry")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["envs"])
    again = api.post(f"{RUNS}/{run_id}/retry", json={"envs": {"SECRET": "1234"}}).json()["job_id"]
    assert api.ended(again)["status"] == "succeeded"
    assert api.result(again)["result"] == "4\n"
