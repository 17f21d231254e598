"""What the jobs dialect shows of runs: status, result, lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from praisonrun.core.model import Run, Status
from praisonrun.dialects.jobs import show
from praisonrun.engine.context import stored

from ...rigs.harness import TIME, Json, Server
from ...rigs.wire_rig import JOB_KEYS, RUNS, STATUS_KEYS, Api

RESULT_KEYS = {
    "job_id", "status", "result", "result_url", "metrics", "created_at", "started_at", "completed_at",
    "duration_seconds", "error", "error_tail",
}  # fmt: skip


# Status and result


def test_a_status_has_all_its_keys_all_the_way(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"), session_id="s", metadata={"a": 1})
    answer = api.get(f"{RUNS}/{run_id}")
    assert (answer.json().keys(), answer.headers["retry-after"]) == (JOB_KEYS, "1")
    assert answer.json()["status"] in ("queued", "running")
    api.until(run_id, "up")
    live = api.status(run_id)
    assert live["prompt"] == str(tmp_path / "gate")
    assert (live["status"], live["retry_after"], live["completed_at"], live["error"]) == (
        "running",
        1,
        None,
        None,
    )
    assert TIME.fullmatch(live["started_at"])
    (tmp_path / "gate").touch()
    done = api.ended(run_id)
    assert done.keys() == JOB_KEYS
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


def test_a_run_says_what_was_asked(api: Api) -> None:
    """A list has the first line, which one glance tells runs apart by; a single run has all of it."""
    asked = "\n\t fix\x1b[31m the\ttest \nand more" + "x" * 5000
    run_id = api.ran("quick", asked)["job_id"]
    shown = api.status(run_id)
    assert (shown["title"], shown["prompt"]) == ("fix[31m the test", asked)
    listed = api.get(RUNS).json()["jobs"][0]
    assert (listed["job_id"], listed["title"]) == (run_id, "fix[31m the test")
    assert "prompt" not in listed
    again = api.post(f"{RUNS}/{run_id}/retry").json()["job_id"]
    assert (api.ended(again)["prompt"], api.ended(again)["title"]) == (asked, shown["title"])


def test_a_queued_run_shows_as_queued(unstarted: Server, tmp_path: Path) -> None:
    unstarted.start("--concurrency", "1")
    with Api(unstarted.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), api.submit("quick")
        shown = api.status(queued)
        assert shown.keys() == JOB_KEYS
        assert (shown["status"], shown["started_at"], shown["attempt"]) == ("queued", None, 0)
        second = api.submit("quick")
        assert (shown["queue_position"], api.status(second)["queue_position"]) == (1, 2)
        api.post(f"{RUNS}/{second}/cancel")
        [listed] = api.get(f"{RUNS}?status=queued").json()["jobs"]
        full = "all slots are taken (--concurrency): 1"
        assert (listed["job_id"], listed["queue_reason"], shown["queue_reason"]) == (queued, full, full)
        api.until(held, "up")
        assert (api.status(held)["queue_reason"], api.status(held)["queue_position"]) == (None, None)
        cancelled = api.post(f"{RUNS}/{queued}/cancel").json()
        assert (cancelled["status"], cancelled["started_at"]) == ("cancelled", None)
        assert [name for _, name, _ in api.events(queued)] == ["status", "cancelled", "complete", "done"]
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


@pytest.mark.parametrize(
    ("left", "value"),
    [
        (' {"a":\n 1.50, "b": "@\u2028"} ', {"a": 1.5, "b": "@\u2028"}),
        ('{"a": "@", "b": 1e999}', {"a": "@", "b": None}),
        ('{"a": "@", "a": 2}', {"a": 2}),
        ("@ is no JSON", "@ is no JSON"),
    ],
)
def test_a_large_result_is_what_its_json_says(api: Api, left: str, value: Json) -> None:
    run_id = api.ran("large", left)["job_id"]
    shown = api.result(run_id)
    assert json.dumps(shown["result"]) == json.dumps(value).replace("@", "x" * 1_200_000)
    small = api.result(api.ran("left", '{"a": 1}')["job_id"])
    assert list(shown) == list(small)
    assert (shown["status"], shown["result_url"], shown["error"]) == ("succeeded", None, None)
    assert int(api.head(f"{RUNS}/{run_id}/result").headers["content-length"]) > len(left)


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
    assert found("status=failed,succeeded") == found("status=succeeded&status=failed") == [bad, good]
    assert found("status=failed&status=failed,queued") == [bad]
    assert found("agent=fail") == [bad]
    assert found("agent=fail&status=succeeded") == []
    assert found("agent=unheard-of") == []
    assert found("unknown=1") == [bad, good]
    assert good in [job["job_id"] for job in api.get(f"{RUNS}?status=succeeded&page_size=100").json()["jobs"]]


def test_a_list_is_searched(api: Api) -> None:
    first = api.ran("quick", "what is 100% sure_ly\nin the SECOND line", session_id="search")["job_id"]
    middle = api.status(first)["created_at"]
    other = api.ran("quick", "another", session_id="search")["job_id"]

    def found(**query: str) -> tuple[list[str], int]:
        page = api.get(RUNS, params={"session_id": "search", **query}).json()
        return [job["job_id"] for job in page["jobs"]], page["total"]

    assert found(q="second LINE") == found(q="100%") == found(q="e_l") == ([first], 1)
    assert found(q="1%0") == found(q="e%l") == found(q="another", agent="fail") == ([], 0)
    assert found(q="") == found(q="e") == ([other, first], 2)
    assert found(q="e", page="2", page_size="1") == ([first], 2)
    assert found(since=middle) == found(since="1h") == found(since="1d1h") == ([other, first], 2)
    assert found(since="2026-01-02") == found(since="2026-01-02T03:04:05+01:00") == ([other, first], 2)
    assert found(since=api.status(other)["created_at"], q="another") == ([other], 1)
    assert found(since="2999-01-01T00:00:00Z") == ([], 0)


@pytest.mark.parametrize(
    "query", ["since=", "since=soon", "since=90", "since=2026-13-01", "q=%00", "q=" + "x" * 201]
)
def test_a_bad_search_is_a_422(api: Api, query: str) -> None:
    answer = api.get(f"{RUNS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, [query.split("=")[0]])


def test_a_bad_status_is_a_400_that_lists_the_good_ones(api: Api) -> None:
    assert api.get(f"{RUNS}?status=failed&page=1&page=2").status_code == 422
    assert api.get(f"{RUNS}?status=failed,").status_code == api.get(f"{RUNS}?status=").status_code == 400
    answer = api.get(f"{RUNS}?status=failed&status=done")
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


def test_a_run_that_is_claimed_but_not_begun_is_still_queued() -> None:
    run = Run("run_x", "a", "v", 1, 1, 1, status=Status.RUNNING, started_at=1)
    assert show.status(stored(run))["status"] == "queued"
    assert show.status(stored(run))["started_at"] is None
    assert show.status(stored(run))["queue_reason"] == "starting"


def test_a_failed_run_says_what_its_agent_wrote_last(api: Api) -> None:
    body = "import sys; print('no'); sys.stderr.write('\\x1b[31mError:\\x1b[0m bad key\\n\\n'); sys.exit(1)"
    done = api.ended(api.submit(agent="code", prompt=body))
    assert (done["error"], done["error_tail"]) == ("exited with code 1", "Error: bad key")
    assert api.result(done["job_id"])["error_tail"] == "Error: bad key"
    assert api.ended(api.submit(agent="code", prompt="print('well')"))["error_tail"] is None
    assert api.ended(api.submit(agent="short"))["error_tail"] is None  # which wrote nothing


BEYOND = ("-1", "2147483648", "9007199254740993", "9223372036854775808", "1e3", "1e308", "NaN", "inf", "true")
ODD = (" 5", "+5", "5 ", "5.0", "1_0", "\u0665", "0x5", "")


@pytest.mark.scorecard(24)
@pytest.mark.parametrize("number", BEYOND + ODD)
def test_a_number_of_a_query_has_bounds_and_digits(api: Api, number: str) -> None:
    run = f"{RUNS}/{api.ran('quick')['job_id']}"
    asked = [(RUNS, "page"), (RUNS, "page_size"), ("/api/v1/deliveries", "page")]
    asked += [("/v1/agent-deployments", "limit"), (f"{run}/events", "limit"), (f"{run}/logs", "tail")]
    for path, name in [*asked, (f"{run}/events", "after")]:
        assert api.get(path, params={name: number}).status_code in (400, 422), (path, name)


@pytest.mark.scorecard(24)
@pytest.mark.parametrize("field", ["timeout", "priority", "retries", "retention_seconds"])
def test_a_number_of_a_submit_has_bounds(api: Api, field: str) -> None:
    for number in (2**31, 2**53 + 1, 2**63, -(2**31), 1e308, 1.5, "5", " 5", True, [5]):
        answer = api.post(RUNS, json={"agent": "quick", "prompt": "x", field: number})
        assert (answer.status_code, answer.json()["errors"][0]["loc"][0]) == (422, field), number
