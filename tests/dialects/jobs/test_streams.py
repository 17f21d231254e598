"""Streams over real HTTP: SSE and its resumption, NDJSON, pages of events, logs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from praisonrun.dialects.event_stream import Cursor, EventStream
from praisonrun.dialects.jobs.events import JobEvents, sse
from praisonrun.dialects.jobs.logs import Logs
from praisonrun.dialects.jobs.streams import Streams
from praisonrun.engine.engine import Engine
from praisonrun.files.run_files import RunDir
from praisonrun.journal.format import MAGIC, WATCH_AT
from praisonrun.web.stream_limits import StreamLimits

from ...engine.test_engine import until_printed
from ...rigs.harness import Json, Server, Sse, submit
from ...rigs.wire_rig import FINAL, RUNS, Api, Call, app_of

HELLO = b"retry: 2000\n: praisonrun\n\n"
NASTY = 'a\nb\r\nc\rd"e\\f\u2028g\u2029h\x85i\x0bj\x0ck\x1cl\x00m\x1b[31mn\ud7ffo\U0001f600'


def raw(api: Api, run_id: str, **headers: str) -> bytes:
    return api.get(f"{RUNS}/{run_id}/stream", headers=headers).content


# The form of a stream


def test_a_stream_from_its_first_byte_to_its_last(api: Api) -> None:
    run_id = api.submit("echo", "hi")
    with api.stream("GET", f"{RUNS}/{run_id}/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in answer.headers
        told = list(Sse(answer.iter_lines()))
    assert [name for _, name, _ in told] == ["status", "status", "log", "result", "complete", ""]
    ids = [number for number, _, _ in told]
    assert ids[-1] is None  # [DONE] has none
    assert all(one is not None and two is not None and one < two for one, two in pairwise(ids[:-1]))
    fields: Json = {"status": "queued", "job_id": run_id}
    assert told[0][2] == {**fields, "event": "status", "data": fields}
    fields = {"status": "running", "job_id": run_id, "attempt": 1}
    assert told[1][2] == {**fields, "event": "status", "data": fields}
    fields = {"stream": "stdout", "text": "got hi\n", "message": "got hi"}
    assert told[2][2] == {**fields, "event": "log", "data": fields}
    assert told[3][2]["result"] == told[3][2]["data"]["result"] == "got hi\n"
    fields = {"status": "succeeded", "job_id": run_id}
    assert told[4][2] == {**fields, "event": "complete", "data": fields}
    assert told[5][2] == "[DONE]"
    assert raw(api, run_id).startswith(HELLO)
    assert raw(api, run_id).endswith(b"\n\ndata: [DONE]\n\n")


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
    assert [(name, data["data"]) for _, name, data in told[2:-3]] == [
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
    assert [name for _, name, _ in told[-3:]] == [last, "complete", ""]
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
    while [name for _, name, _ in seen] != ["status", "status", "log"]:  # one connection for each event
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


# Viewers


def test_a_stream_opened_while_queued_sees_it_all(server: Server, tmp_path: Path) -> None:
    server.stop()
    server.start("--concurrency", "1")
    with Api(server.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), api.submit("echo", "c")
        with api.stream("GET", f"{RUNS}/{queued}/stream") as answer:
            lines = answer.iter_lines()
            assert [next(lines) for _ in range(4)] == ["retry: 2000", ": praisonrun", "", "id: 1"]
            events = iter(Sse(lines))
            assert next(events)[2]["status"] == "queued"
            (tmp_path / "gate").touch()
            names = [name for _, name, _ in events]
        assert names == ["status", "log", "result", "complete", ""]
        assert api.status(held)["status"] == "succeeded"


def test_two_viewers_see_the_same_bytes_live_and_later(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    path = f"{RUNS}/{run_id}/stream"
    with api.stream("GET", path) as one, api.stream("GET", path) as two:
        first, second = one.iter_bytes(), two.iter_bytes()
        seen = [b"", b""]
        for at, chunks in ((0, first), (1, second)):
            while b"up" not in seen[at]:
                seen[at] += next(chunks)
        (tmp_path / "gate").touch()
        seen = [seen[0] + b"".join(first), seen[1] + b"".join(second)]
    assert seen[0] == seen[1] == raw(api, run_id)


@pytest.mark.scorecard(22)
def test_a_viewer_that_leaves_or_stalls_changes_nothing(api: Api, shared: Server) -> None:
    run_id = api.submit("count", "100000")
    stalled = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(3)]
    for each in stalled:
        request = f"GET {RUNS}/{run_id}/stream HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\n\r\n"
        each.sendall(request.encode())
    stalled.pop().close()
    assert api.ended(run_id)["status"] == "succeeded"
    assert len(api.get(f"{RUNS}/{run_id}/logs").content) == sum(len(f"line {i}\n") for i in range(100_000))
    for each in stalled:
        each.close()


# In this process: what takes a clock, or a client that misbehaves on purpose


@pytest.fixture
async def held(engine: Engine, tmp_path: Path) -> AsyncIterator[str]:
    """A run that has printed `up` and goes on."""
    run_id = await submit(engine, "until", str(tmp_path / "gate"))
    await until_printed(engine, run_id, "up")
    yield run_id
    (tmp_path / "gate").touch()
    await engine.until_final(run_id)


async def test_a_silent_stream_has_a_heartbeat(engine: Engine, held: str) -> None:
    call = Call(f"{RUNS}/{held}/stream")
    async with call.to(app_of(Streams(engine, StreamLimits(), heartbeat=0.001))):
        assert (await call.until(b": heartbeat\n\n: heartbeat\n\n")).startswith(HELLO + b"id: 1\n")
        call.left.set()


@pytest.mark.parametrize("path", ["stream", "logs?follow"])
async def test_a_client_that_left_is_forgotten(engine: Engine, held: str, tmp_path: Path, path: str) -> None:
    def watched() -> bytes:
        with RunDir(tmp_path / "state").journal(held).open("rb") as journal:
            return os.pread(journal.fileno(), 1, WATCH_AT)

    call = Call(f"{RUNS}/{held}/{path}")
    limits = StreamLimits()
    async with call.to(app_of(Streams(engine, limits), Logs(engine, limits))):
        await call.until(b"up")
        assert watched() == b"1"
        call.left.set()
    await anyio.lowlevel.checkpoint()
    assert watched() == b"0"
    assert (await engine.get(held)).run.finished_at is None


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("stream", "text/event-stream"),
        ("stream", "application/x-ndjson"),
        ("stream?wait=300&after={after}", "application/json"),
        ("events?wait=300&after={after}", "*/*"),
        ("logs?follow", "*/*"),
    ],
)
async def test_a_client_that_left_gives_its_place_back(
    engine: Engine, held: str, path: str, accept: str
) -> None:
    limits = StreamLimits()
    app = app_of(Streams(engine, limits), Logs(engine, limits))
    seen = Call(f"{RUNS}/{held}/events")
    async with seen.to(app):
        after = json.loads(await seen.until(b'"done":false}'))["next"]
    waiting = Call(f"{RUNS}/{held}/{path.format(after=after)}", {"accept": accept})
    with anyio.fail_after(10):
        async with waiting.to(app):
            await anyio.wait_all_tasks_blocked()
            assert limits.open == 1
            waiting.left.set()
    assert limits.open == 0


async def test_a_deleted_run_s_stream_ends_quietly(engine: Engine) -> None:
    run_id = await submit(engine, "echo", "hi")
    shown = await engine.until_final(run_id)
    told = EventStream(engine, JobEvents).stream(shown.run, Cursor(0, 0), sse)
    assert b"queued" in await anext(told)  # a slow viewer, who has seen no more when the run goes
    await engine.delete(run_id)
    assert [chunk async for chunk in told] == []
    call = Call(f"{RUNS}/{run_id}/events?wait=60")
    async with call.to(app_of(Streams(engine, StreamLimits()))):
        assert b"there is no run" in await call.until(b"}")


async def test_torn_and_wild_bytes_after_the_end_are_not_shown(engine: Engine, tmp_path: Path) -> None:
    run_id = await submit(engine, "echo", "hi")
    shown = await engine.until_final(run_id)
    reader = engine.reader(run_id)
    assert reader is not None
    with reader, RunDir(tmp_path / "state").journal(run_id).open("r+b") as journal:
        before = reader.frames(64)
        journal.seek(0, os.SEEK_END)
        journal.write(b"\0" * 100 + MAGIC)
        journal.flush()
        assert reader.frames(64) == before
        assert len(list(reader.headers(64))) == len(before)
    assert (await engine.result(shown.run)).value == "got hi\n"
    call = Call(f"{RUNS}/{run_id}/stream")
    async with call.to(app_of(Streams(engine, StreamLimits()))):
        assert b"event: complete" in await call.until(b"[DONE]")


def test_a_stop_lets_all_viewers_go_at_once(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("until", str(tmp_path / "gate"))
    with Api(server.url) as api:
        api.until(run_id, "up")
        url, after = f"{RUNS}/{run_id}", api.get(f"{RUNS}/{run_id}/events").json()["next"]
        lines = {"Accept": "application/x-ndjson"}
        with (
            api.stream("GET", f"{url}/stream") as sse,
            api.stream("GET", f"{url}/stream", headers=lines) as ndjson,
            api.stream("GET", f"{url}/logs?follow") as logs,
            ThreadPoolExecutor() as threads,
        ):
            page = threads.submit(api.get, f"{url}/events?wait=60&after={after}")
            readers = [answer.iter_text() for answer in (sse, ndjson, logs)]
            seen = [next(reader) for reader in readers]
            assert server.stop() == 0
            seen = [first + "".join(reader) for first, reader in zip(seen, readers, strict=True)]
            assert page.result().json() == {"events": [], "next": after, "done": False}
    assert all("up" in text and "complete" not in text and "DONE" not in text for text in seen)
    assert not [line for line in server.said if "ERROR" in line or "Traceback" in line]


# Pages of events


def test_a_page_of_events(api: Api) -> None:
    run_id = api.ran("both")["job_id"]
    page = api.get(f"{RUNS}/{run_id}/events").json()
    told = [{"id": number, **data} for number, _, data in api.events(run_id)[:-1]]
    assert page == {"events": told, "next": told[-1]["id"], "done": True}
    one = api.get(f"{RUNS}/{run_id}/events?limit=1").json()
    assert one == {"events": told[:1], "next": 1, "done": False}
    cursor, seen, done = 0, list[Json](), False
    while not done:
        page = api.get(f"{RUNS}/{run_id}/events?limit=2&after={cursor}").json()
        seen, cursor, done = seen + page["events"], page["next"], page["done"]
    assert seen == told
    end = api.get(f"{RUNS}/{run_id}/events?after={cursor}").json()
    assert end == {"events": [], "next": cursor, "done": True}
    for query in ("limit=0", "limit=10001", "wait=-1", "wait=301", "wait=nan", "after=-1"):
        assert api.get(f"{RUNS}/{run_id}/events?{query}").status_code == 422


def test_a_page_is_bounded_in_bytes_too(api: Api) -> None:
    run_id = api.ran("count", "200000")["job_id"]
    cursor, done, text, pages = 0, False, "", 0
    while not done:
        answer = api.get(f"{RUNS}/{run_id}/events?after={cursor}")
        assert len(answer.content) < 8_000_000
        page = answer.json()
        text += "".join(event["text"] for event in page["events"] if event["event"] == "log")
        cursor, done, pages = page["next"], page["done"], pages + 1
    assert text == "".join(f"line {i}\n" for i in range(200_000))
    assert pages > 1


def test_a_poll_of_the_stream_url(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    url, wish = f"{RUNS}/{run_id}/stream", {"Accept": "application/json"}
    answer = api.get(url, headers=wish)
    assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("application/json", "1")
    page = answer.json()
    assert ([event["event"] for event in page["events"]], page["done"]) == (
        ["status", "status", "log"],
        False,
    )
    after = page["next"]
    assert api.get(f"{url}?after={after}", headers=wish).json() == {
        "events": [],
        "next": after,
        "done": False,
    }
    (tmp_path / "gate").touch()
    assert api.ended(run_id)["status"] == "succeeded"
    answer = api.get(url, headers={**wish, "Last-Event-ID": str(after)})
    assert [event["event"] for event in answer.json()["events"]] == ["log", "result", "complete"]
    assert answer.json()["done"] is True
    assert "retry-after" not in answer.headers
    both = api.get(url, headers={"Accept": "application/json, text/event-stream"})
    assert both.headers["content-type"].startswith("text/event-stream")


async def test_a_long_poll_answers_at_the_first_news(engine: Engine, held: str, tmp_path: Path) -> None:
    app = app_of(Streams(engine, StreamLimits()))
    seen = Call(f"{RUNS}/{held}/events")
    async with seen.to(app):
        after = json.loads(await seen.until(b'"done":false}'))["next"]
    poll = Call(f"{RUNS}/{held}/events?wait=60&after={after}")
    async with poll.to(app):
        await anyio.wait_all_tasks_blocked()
        (tmp_path / "gate").touch()
        assert b'"text":"done' in await poll.until(b"}]")


async def test_a_long_poll_sees_a_cancel(engine: Engine) -> None:
    run_id = await submit(engine, "wait")
    await until_printed(engine, run_id, "up")
    app, after, names = app_of(Streams(engine, StreamLimits())), 1, list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.cancel, run_id)
        while "complete" not in names:
            poll = Call(f"{RUNS}/{run_id}/events?wait=60&after={after}")
            async with poll.to(app):
                page = json.loads(await poll.until(b'"done":'))
            names += [event["event"] for event in page["events"]]
            after = page["next"]
    assert names[-2:] == ["cancelled", "complete"]


def test_a_long_poll_gives_up_in_time(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    after = api.get(f"{RUNS}/{run_id}/events").json()["next"]
    page = api.get(f"{RUNS}/{run_id}/events?wait=0.01&after={after}").json()
    assert page == {"events": [], "next": after, "done": False}
    (tmp_path / "gate").touch()


def test_ndjson_is_the_same_story_a_line_each(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    wish = {"Accept": "application/x-ndjson"}
    with api.stream("GET", f"{RUNS}/{run_id}/stream", headers=wish) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.iter_lines()
        seen = [json.loads(next(lines)) for _ in range(3)]
        (tmp_path / "gate").touch()
        seen += [json.loads(line) for line in lines]
    assert seen == [{"id": number, **data} for number, _, data in api.events(run_id)[:-1]]
    rest = api.get(f"{RUNS}/{run_id}/stream?after={seen[3]['id']}", headers=wish).text.splitlines()
    assert [json.loads(line) for line in rest] == seen[4:]


# Logs


def test_logs_are_what_was_printed(api: Api) -> None:
    run_id = api.ran("both")["job_id"]
    answer = api.get(f"{RUNS}/{run_id}/logs")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert sorted(answer.text.splitlines()) == ["err 1", "err 2", "out 1", "out 2"]
    for stream in ("stdout", "stderr"):
        kind = stream[3:]
        text = f"{kind} 1\n{kind} 2\n"
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}").text == text
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=1").text == f"{kind} 2\n"
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=99").text == text
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=0").text == ""
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&follow").text == text
    for query in ("stream=both", "tail=-1", "tail=x", "follow=perhaps"):
        assert api.get(f"{RUNS}/{run_id}/logs?{query}").status_code == 422


@pytest.mark.parametrize(
    ("printed", "count", "last"),
    [("a\rb\n", 1, "a\rb\n"), ("a\nb", 1, "b"), ("a\nb", 2, "a\nb"), ("\n\n", 1, "\n")],
)
def test_a_tail_counts_newlines(api: Api, printed: str, count: int, last: str) -> None:
    run_id = api.ran("bytes", printed.encode().hex())["job_id"]
    assert api.get(f"{RUNS}/{run_id}/logs?tail={count}").content == last.encode()


def test_logs_follow_a_live_run_from_its_tail(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    assert api.get(f"{RUNS}/{run_id}/logs").text == "up\n"  # what there is, at once
    with api.stream("GET", f"{RUNS}/{run_id}/logs?follow=1&tail=1") as answer:
        chunks = answer.iter_text()
        assert next(chunks) == "up\n"
        (tmp_path / "gate").touch()
        assert "".join(chunks) == "done\n"
