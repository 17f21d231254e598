"""One stream of all runs: its three forms, its cursor, the runs that a client names, and its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx2
import pytest

from praisonrun.dialects.jobs.feed import Feed
from praisonrun.dialects.jobs.feed_models import FeedEvent
from praisonrun.engine.engine import Engine
from praisonrun.web.responses import StreamLimits

from ...rigs.harness import Json, ran, submit
from ...rigs.wire_rig import RUNS, Api, Call, app_of, exact

EVENTS = "/api/v1/events"
PAGE, LINES, SSE = (
    {"Accept": form} for form in ("application/json", "application/x-ndjson", "text/event-stream")
)


def cursor_of(api: Api) -> str:
    return str(api.get(RUNS + "?page_size=1").headers["praisonrun-cursor"])


def page(api: Api, after: str, query: str = "") -> Json:
    return api.get(f"{EVENTS}?after={after}{query}", headers=PAGE).json()


def pages(api: Api, after: str, query: str = "") -> list[Json]:
    """Return all that is told after a cursor, without what is no part of the history."""
    found, more = list[Json](), True
    while more:
        got = page(api, after, query)
        assert got["reset"] is None
        more, after = got["next"] != after, got["next"]
        found += [event for event in got["events"] if "cursor" in event]
    return found


def lines(answer: httpx2.Response) -> Iterator[Json]:
    for line in answer.iter_lines():
        if line.startswith(("{", "data: ")):
            event = json.loads(line.removeprefix("data: "))
            exact(FeedEvent, event)
            yield event


def test_a_list_says_where_the_stream_begins(api: Api) -> None:
    old, cursor = api.ran("quick")["job_id"], cursor_of(api)
    run_id = api.ran("fail")["job_id"]
    told = pages(api, cursor)
    mine = [event for event in told if event["run"]["job_id"] == run_id]
    listed = next(job for job in api.get(RUNS).json()["jobs"] if job["job_id"] == run_id)
    assert mine[-1]["run"] == listed
    assert old not in [event["run"]["job_id"] for event in told]
    later = pages(api, mine[-1]["cursor"])  # of runs of other tests, perhaps
    assert run_id not in [event["run"]["job_id"] for event in later]


@pytest.mark.parametrize("form", [SSE, LINES])
def test_both_streams_say_the_same_as_a_page(api: Api, form: dict[str, str]) -> None:
    cursor = cursor_of(api)
    run_id = api.ran("quick")["job_id"]
    assert api.delete(f"{RUNS}/{run_id}").status_code == 204
    told = pages(api, cursor)
    assert [(event["event"], event["id"]) for event in told] == [("removed", run_id)]
    with api.stream("GET", EVENTS, headers={**form, "Last-Event-ID": cursor}) as answer:
        seen = lines(answer)
        server = next(seen)
        assert (server["event"], server["cursor"]) == ("server", cursor)
        assert next(seen) == told[0]


def test_an_sse_event_has_its_cursor_as_id(api: Api) -> None:
    cursor = cursor_of(api)
    run_id = api.ran("quick")["job_id"]
    with api.stream("GET", f"{EVENTS}?after={cursor}") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        text = ""
        for chunk in answer.iter_text():
            text += chunk
            if '"succeeded"' in text:
                break
    blocks = text.split("\n\n")
    assert blocks[0] == "retry: 2000\n: praisonrun"
    for block in blocks[1:-1]:
        number, name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert (number, name) == (f"id: {event['cursor']}", f"event: {event['event']}")
    assert event["run"]["job_id"] == run_id


def test_without_a_cursor_it_begins_now(api: Api) -> None:
    api.ran("quick")
    got = api.get(EVENTS, headers=PAGE).json()
    assert [event for event in got["events"] if event["event"] == "run"] == []
    assert got["next"] == cursor_of(api)


@pytest.mark.parametrize("form", [PAGE, LINES, SSE])
@pytest.mark.parametrize("reason", ["other_store", "ahead", "unknown_run"])
def test_a_cursor_of_no_use_is_told_once(api: Api, form: dict[str, str], reason: str) -> None:
    store, rev = cursor_of(api).split(".")
    given = {"other_store": f"00000000.{rev}", "ahead": f"{store}.{10**15}", "unknown_run": f"{store}.0"}[
        reason
    ]
    query = f"after={given}" + ("&runs=run_none" if reason == "unknown_run" else "")
    if form is PAGE:
        reset = api.get(f"{EVENTS}?{query}", headers=form).json()["reset"]
    else:
        with api.stream("GET", f"{EVENTS}?{query}", headers=form) as answer:
            seen = lines(answer)
            assert next(seen)["event"] == "server"
            reset = next(seen)
    assert reset["reason"] == reason
    assert page(api, reset["cursor"])["reset"] is None
    assert int(reset["cursor"].split(".")[1]) >= int(rev)


def test_a_strange_cursor_is_a_bad_request(api: Api) -> None:
    for given in ("7", "x.1", "00000000.", "00000000.1.x-1", f"00000000.1{'.00000000-1' * 17}"):
        assert api.get(f"{EVENTS}?after={given}", headers=PAGE).status_code == 400
        assert api.get(EVENTS, headers={**PAGE, "Last-Event-ID": given}).status_code == 400
    many = ",".join(f"run_{number}" for number in range(17))
    for query in (f"runs={many}", "wait=301", "mode=both", f"logs={many}"):
        assert api.get(f"{EVENTS}?{query}", headers=PAGE).status_code == 422


def test_the_own_events_of_named_runs_resume_anywhere(api: Api) -> None:
    cursor = cursor_of(api)
    one, two = api.ran("both")["job_id"], api.ran("fail")["job_id"]
    query = f"&runs={one}&logs={two}"
    whole = pages(api, cursor, query)
    own = [event for event in whole if "run_id" in event]
    for run_id, wanted in ((one, None), (two, "log")):
        events = api.get(f"{RUNS}/{run_id}/events").json()["events"]
        mine = [{**event} for event in own if event["run_id"] == run_id]
        for event in mine:
            del event["run_id"], event["cursor"]
        assert mine == [event for event in events if wanted in (None, event["event"])]
    for event in own:
        after = own[own.index(event) + 1 :]
        rest = [later for later in pages(api, event["cursor"], query) if "run_id" in later]
        assert [(each["run_id"], each["id"]) for each in rest] == [
            (each["run_id"], each["id"]) for each in after
        ]


def test_what_is_not_wanted_hides_nothing_behind_it(api: Api) -> None:
    code = """import json, os
with open(os.environ["PRAISONRUN_EVENTS"], "w") as told:
    for number in range(1000): print(json.dumps({"type": "message", "text": number}), file=told)
print("end")"""
    run_id = api.ran("telling-code", code)["job_id"]
    with api.stream("GET", f"{EVENTS}?logs={run_id}", headers=LINES) as answer:
        assert next(event for event in lines(answer) if "run_id" in event)["data"]["text"] == "end\n"
    assert pages(api, cursor_of(api), f"&wait=5&logs={run_id}")[0]["data"]["text"] == "end\n"


def test_a_live_run_s_own_events_come_as_they_happen(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    with api.stream("GET", f"{EVENTS}?runs={run_id}", headers=LINES) as answer:
        names = []
        for event in lines(answer):
            if event.get("run_id") == run_id:
                names.append(event["event"])
                if event["data"].get("text") == "up\n":
                    (tmp_path / "gate").touch()
                if event["event"] == "complete":
                    break
    assert [name for name in names if name != "attempt"] == [
        "status",
        "status",
        "log",
        "log",
        "result",
        "complete",
    ]


def test_how_far_live_runs_are_has_no_cursor(api: Api) -> None:
    prompt = '{"percentage": 40, "step": "half"}\n{"usage": {"input_tokens": 3}}\n'
    run_id, found = api.submit("telling", prompt), dict[str, Json]()
    with api.stream("GET", EVENTS, headers=LINES) as answer:
        for event in lines(answer):
            if event.get("id") == run_id:
                found[event["event"]] = event
            if len(found) == 2:
                break
    assert found["progress"]["progress"]["current_step"] == "half"
    assert found["usage"]["usage"] == {"input_tokens": 3}
    assert "cursor" not in found["progress"] | found["usage"]
    known = [event for event in page(api, cursor_of(api))["events"] if event.get("id") == run_id]
    assert {event["event"]: event for event in known} == found
    assert api.post(f"{RUNS}/{run_id}/cancel").status_code == 200


def test_services_are_told_only_when_asked_for(api: Api) -> None:
    cursor, key = cursor_of(api), {"Idempotency-Key": "feed-service"}
    assert api.post("/v1/agent-deployments/server/services", json={}, headers=key).status_code == 201
    (run_id,) = [
        job["job_id"] for job in api.get(RUNS + "?mode=service&status=queued,running").json()["jobs"]
    ]
    assert api.post(f"{RUNS}/{run_id}/cancel").status_code == 200
    assert run_id not in [event["run"]["job_id"] for event in pages(api, cursor) if event["event"] == "run"]
    (told,) = pages(api, cursor, "&mode=service")
    assert (told["run"]["job_id"], told["run"]["status"]) == (run_id, "cancelled")


# In this process: what takes a clock, a count, or a client that leaves


def feed(engine: Engine, limits: StreamLimits | None = None, heartbeat: float = 15) -> Feed:
    return Feed(engine, limits or StreamLimits(), heartbeat=heartbeat)


async def opened(limits: StreamLimits) -> None:
    """Return once a stream is counted."""
    while not limits.open:
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("accept", "beat"), [("*/*", b": heartbeat\n\n"), ("application/x-ndjson", b'{"event":"heartbeat"}\n')]
)
async def test_a_silent_stream_has_a_heartbeat(engine: Engine, accept: str, beat: bytes) -> None:
    call = Call(EVENTS, {"accept": accept})
    async with call.to(app_of(feed(engine, heartbeat=0.001))):
        await call.until(beat + beat)
        call.left.set()


async def test_a_long_poll_answers_at_the_first_change(engine: Engine) -> None:
    limits = StreamLimits()
    poll = Call(f"{EVENTS}?wait=300", {"accept": "application/json"})
    async with poll.to(app_of(feed(engine, limits))):
        await opened(limits)
        run_id = await submit(engine, "quick")
        told = json.loads(await poll.until(b'"reset":null}'))
    assert [event["run"]["job_id"] for event in told["events"]] == [run_id]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/event-stream"])
async def test_a_client_that_left_gives_its_place_back(engine: Engine, accept: str) -> None:
    limits = StreamLimits()
    call = Call(f"{EVENTS}?wait=300", {"accept": accept})
    with anyio.fail_after(5):
        async with call.to(app_of(feed(engine, limits))):
            await opened(limits)
            call.left.set()
    assert limits.open == 0


async def test_it_counts_as_a_stream(engine: Engine) -> None:
    app = app_of(feed(engine, StreamLimits(total=0)))
    later = Call(EVENTS, {"accept": "text/event-stream"})
    async with later.to(app):
        await later.until(b"retry: 30000")
    other = Call(EVENTS, {"accept": "application/x-ndjson"})
    async with other.to(app):
        await other.until(b"too many streams are open")
    full = Call(EVENTS + "?wait=300", {"accept": "application/json"})
    async with full.to(app):  # where too many are open, a poll is answered at once
        await full.until(b'"events":[]')


async def test_many_listeners_share_one_reading(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = list[int](), engine.store.changed_since

    async def counted(rev: int, limit: int) -> object:
        reads.append(rev)
        return await read(rev, limit)

    monkeypatch.setattr(engine.store, "changed_since", counted)
    calls = [Call(EVENTS) for _ in range(20)]
    async with AsyncExitStack() as stack:
        app = app_of(feed(engine))
        for call in calls:
            await stack.enter_async_context(call.to(app))
        for call in calls:
            await call.until(b"event: server")
        await anyio.wait_all_tasks_blocked()
        reads.clear()
        shown = await ran(engine, "quick")
        texts = [await call.until(b'"succeeded"') for call in calls]
        for call in calls:
            call.left.set()
    assert all(shown.run.id.encode() in text for text in texts)
    assert len(reads) < len(calls)


async def test_streams_end_when_the_server_stops(engine: Engine) -> None:
    call = Call(EVENTS)
    with anyio.fail_after(5):
        async with call.to(app_of(feed(engine))):
            await call.until(b"event: server")
            engine.journals.dismiss()
