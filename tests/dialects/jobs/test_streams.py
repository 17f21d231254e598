"""The jobs dialect's SSE streams over real HTTP: their form and their resumption."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from ...rigs.harness import Json, Server, Sse
from ...rigs.wire_rig import FINAL, RUNS, Api, raw

HELLO = b"retry: 2000\n: praisonrun\n\n"
NASTY = 'a\nb\r\nc\rd"e\\f\u2028g\u2029h\x85i\x0bj\x0ck\x1cl\x00m\x1b[31mn\ud7ffo\U0001f600'


# The form of a stream


def test_a_stream_from_its_first_byte_to_its_last(api: Api) -> None:
    run_id = api.submit("echo", "hi")
    with api.stream("GET", f"{RUNS}/{run_id}/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in answer.headers
        told = list(Sse(answer.iter_lines()))
    assert [name for _, name, _ in told] == [
        *("status", "status", "attempt", "log", "attempt", "result", "complete", "done"),
    ]
    ids = [number for number, _, _ in told]
    assert ids[-1] is None  # [DONE] has none
    assert all(one is not None and two is not None and one < two for one, two in pairwise(ids[:-1]))
    fields: Json = {"status": "queued", "job_id": run_id}
    assert told[0][2] == {**fields, "event": "status", "data": fields}
    fields = {"status": "running", "job_id": run_id, "attempt": 1}
    assert told[1][2] == {**fields, "event": "status", "data": fields}
    assert (told[2][2]["state"], told[2][2]["attempt"], told[2][2]["pid"] > 1) == ("start", 1, True)
    fields = {"stream": "stdout", "text": "got hi\n", "message": "got hi"}
    assert told[3][2] == {**fields, "event": "log", "data": fields}
    fields = {"state": "end", "attempt": 1, "exit_code": 0, "signal": None, "reason": "exited"}
    assert told[4][2]["data"] == {**fields, "wall_seconds": api.result(run_id)["metrics"]["wall_seconds"]}
    assert told[5][2]["result"] == told[5][2]["data"]["result"] == "got hi\n"
    fields = {"status": "succeeded", "job_id": run_id}
    assert told[6][2] == {**fields, "event": "complete", "data": fields}
    assert told[7][2] == "[DONE]"
    assert raw(api, run_id).startswith(HELLO)
    assert raw(api, run_id).endswith(b"\n\nevent: done\ndata: [DONE]\n\n")


def test_progress_has_the_shape_that_all_its_readers_take(api: Api) -> None:
    lines = '{"percentage": 30, "step": "s"}\n{"percentage": 40}\n{"steps_completed": 1, "message": "m"}\n'
    told = [data for _, name, data in api.events(api.ran("told", lines)["job_id"]) if name == "progress"]
    assert told[0] == {
        "percentage": 30.0, "step": "s",
        "event": "progress", "data": {"percentage": 30.0, "current_step": "s"},
    }  # fmt: skip
    assert (told[1]["step"], told[1]["data"]["current_step"]) == (None, "")
    assert (told[2]["data"]["steps_completed"], told[2]["data"]["current_step"]) == (1, "m")


def test_what_a_structured_agent_says(api: Api) -> None:
    said: list[Json] = [
        {"type": "message", "text": "m"},
        {"type": "delta", "text": "d"},
        {"type": "tool_call", "name": "grep", "input": {"q": 1}},
        {"type": "usage", "input_tokens": 3},
        {"type": "progress", "percentage": 5, "step": "s"},
        {"type": "result", "result": {"a": 1}},
    ]
    told = api.events(api.ran("said", "".join(json.dumps(line) + "\n" for line in said))["job_id"])
    assert [(name, data["data"]) for _, name, data in told[3:-4]] == [
        ("message", {"text": "m"}),
        ("message", {"text": "d", "delta": True}),
        ("tool_call", {"name": "grep", "input": {"q": 1}}),
        ("usage", {"input_tokens": 3}),
        ("progress", {"percentage": 5.0, "current_step": "s"}),
    ]
    assert told[-3][2]["result"] == {"a": 1}
    for _, name, data in told[:-1]:
        assert data["event"] == name
        assert data.keys() - {"event", "data", "step"} <= data["data"].keys()


@pytest.mark.parametrize(
    ("agent", "last", "fields"),
    [
        ("quick", "result", {"result": "", "result_url": None}),
        ("fail", "error", {"error": "exited with code 7", "failure": "exit_nonzero", "exit_code": 7}),
        ("short", "error", {"error": "timed out after 0.2 s", "failure": "timed_out", "exit_code": None}),
        ("wait", "cancelled", {"message": "cancelled"}),
    ],
)
def test_exactly_one_outcome_and_then_complete(api: Api, agent: str, last: str, fields: Json) -> None:
    run_id = api.submit(agent)
    if agent == "wait":
        api.post(f"{RUNS}/{run_id}/cancel")
    told = api.events(run_id)
    assert [name for _, name, _ in told if name in FINAL] == [last]
    assert [name for _, name, _ in told[-3:]] == [last, "complete", "done"]
    assert told[-3][2]["data"] == fields
    assert told[-2][2]["status"] == api.status(run_id)["status"]


def test_hostile_output_stays_on_one_line_of_json(api: Api) -> None:
    printed = NASTY.encode() + b"\xff\xc3(\xed\xa0\x80\n"
    run_id = api.ran("bytes", printed.hex())["job_id"]
    left = api.ran("left", '"half \\ud83d \u2028"')["job_id"]
    body, more = raw(api, run_id), raw(api, left)
    for line in (body + more).decode().splitlines():  # as httpx and others split it: at eleven characters
        assert line == "" or line[0] == ":" or line.split(":")[0] in ("retry", "id", "event", "data"), line
        if line.startswith("data: {"):
            json.loads(line[6:])
    text = "".join(data["text"] for _, name, data in api.events(run_id) if name == "log")
    assert text == printed.decode("utf-8", "replace")
    assert api.result(run_id)["result"] == text
    assert api.events(left)[-3][2]["result"] == "half \ud83d \u2028"
    assert api.get(f"{RUNS}/{run_id}/logs").content == printed


def test_a_result_of_megabytes_is_one_event(api: Api) -> None:
    run_id = api.ran("count", "150000")["job_id"]
    event = api.events(run_id)[-3][2]
    assert event["result"] == api.result(run_id)["result"]
    assert event["result_url"] == f"{str(api.base_url).rstrip('/')}{RUNS}/{run_id}/logs?stream=stdout"


# Resuming


@pytest.mark.scorecard(21)
@pytest.mark.parametrize("agent", ["echo", "jsonl", "flaky", "story", "both"])
def test_resuming_at_any_event_gives_exactly_the_rest(api: Api, agent: str) -> None:
    run_id = api.ran(agent)["job_id"]
    whole = raw(api, run_id).removeprefix(HELLO)
    told = api.events(run_id)
    for number, _, _ in told[:-2]:
        assert number is not None
        rest = raw(api, run_id, **{"Last-Event-ID": str(number)}).removeprefix(HELLO)
        assert rest == whole[whole.index(b"id: %d\n" % number) :].partition(b"\n\n")[2]
        assert rest == api.get(f"{RUNS}/{run_id}/stream?after={number}").content.removeprefix(HELLO)
    everything = {"Last-Event-ID": str(told[-2][0])}
    answer = api.get(f"{RUNS}/{run_id}/stream", headers=everything)
    assert (answer.status_code, answer.content) == (204, b"")


def test_the_header_wins_over_the_url_that_a_browser_repeats(api: Api) -> None:
    run_id = api.ran("both")["job_id"]
    ids = [number for number, _, _ in api.events(run_id)]
    both = api.get(f"{RUNS}/{run_id}/stream?after={ids[0]}", headers={"Last-Event-ID": str(ids[2])})
    assert both.content == raw(api, run_id, **{"Last-Event-ID": str(ids[2])})


@pytest.mark.scorecard(21)
def test_a_live_stream_resumes_without_gap_or_repeat(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    seen: list[tuple[int | None, str, Json]] = []
    while [name for _, name, _ in seen] != ["status", "status", "attempt", "log"]:  # a connection each
        cursor = {"Last-Event-ID": str(seen[-1][0])} if seen else {}
        with api.stream("GET", f"{RUNS}/{run_id}/stream", headers=cursor) as answer:
            seen.append(next(iter(Sse(answer.iter_lines()))))
    (tmp_path / "gate").touch()
    seen += api.events(run_id, seen[-1][0])
    assert seen == api.events(run_id)


@pytest.mark.scorecard(21)
def test_a_stream_goes_on_over_a_killed_server(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("until", str(tmp_path / "gate"))
    seen = []
    with Api(server.url) as api, api.stream("GET", f"{RUNS}/{run_id}/stream") as answer:
        for event in Sse(answer.iter_lines()):
            seen.append(event)
            if event[1] == "log":
                server.kill()
                break
    server.start()
    (tmp_path / "gate").touch()
    with Api(server.url) as api:
        seen += api.events(run_id, seen[-1][0])
        assert seen == api.events(run_id)


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "1e3", "٣", "9" * 19, "9" * 30, "7", "1040", "null"])
def test_a_cursor_that_is_none_is_a_400_that_says_so(api: Api, given: str) -> None:
    run_id = api.ran("quick")["job_id"]
    for path in ("stream", "events"):
        header = [(b"Last-Event-ID", given.encode())]
        answer = api.get(f"{RUNS}/{run_id}/{path}", headers=header)
        assert answer.status_code == 400
        assert "start without one" in answer.json()["detail"]
        if given.isascii() and given.isdigit() and len(given) < 19:
            assert api.get(f"{RUNS}/{run_id}/{path}?after={given}").status_code == 400


def test_a_cursor_of_another_run_is_a_400(api: Api) -> None:
    short, long = api.ran("quick")["job_id"], api.ran("count", "1000")["job_id"]
    last = api.events(long)[-2][0]
    answer = api.get(f"{RUNS}/{short}/stream", headers={"Last-Event-ID": str(last)})
    assert answer.status_code == 400
    assert answer.json()["detail"] == f"cursor {last} names no event of run {short}; start without one"
    assert api.get(f"{RUNS}/{short}/stream?after=x").status_code == 422
