"""The jobs dialect's events as JSON pages, long polls and NDJSON."""

from __future__ import annotations

import json
from pathlib import Path

import anyio

from praisonrun.dialects.jobs.events import Streams
from praisonrun.engine.engine import Engine
from praisonrun.web.responses import StreamLimits

from ...engine.test_engine import until_printed
from ...rigs.harness import TIME, Json, submit
from ...rigs.wire_rig import RUNS, Api, Call, app_of

# Pages of events


def story(events: list[Json]) -> list[Json]:
    """Return events as pages and NDJSON have them, without their times."""
    for event in events:
        assert TIME.fullmatch(event.pop("ts"))
    return events


def streamed(api: Api, run_id: str) -> list[Json]:
    """Return the same as an event stream tells it."""
    return [
        {"id": number, "event": name, "data": data["data"]} for number, name, data in api.events(run_id)[:-1]
    ]


def test_a_page_of_events(api: Api) -> None:
    run_id = api.ran("both")["job_id"]
    page = api.get(f"{RUNS}/{run_id}/events").json()
    told = page["events"]
    assert page == {"events": told, "next": told[-1]["id"], "done": True}
    one = api.get(f"{RUNS}/{run_id}/events?limit=1").json()
    assert one == {"events": told[:1], "next": 1, "done": False}
    cursor, seen, done = 0, list[Json](), False
    while not done:
        page = api.get(f"{RUNS}/{run_id}/events?limit=2&after={cursor}").json()
        seen, cursor, done = seen + page["events"], page["next"], page["done"]
    assert seen == told
    assert [event["ts"] for event in told] == sorted(event["ts"] for event in told)
    assert story(told) == streamed(api, run_id)
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
        text += "".join(event["data"]["text"] for event in page["events"] if event["event"] == "log")
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
        ["status", "status", "attempt", "log"],
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
    assert [event["event"] for event in answer.json()["events"]] == ["log", "attempt", "result", "complete"]
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
        seen = [json.loads(next(lines)) for _ in range(4)]
        (tmp_path / "gate").touch()
        seen += [json.loads(line) for line in lines]
    after, left = seen[3]["id"], [dict(event) for event in seen[4:]]
    assert story(seen) == streamed(api, run_id)
    rest = api.get(f"{RUNS}/{run_id}/stream?after={after}", headers=wish).text.splitlines()
    assert [json.loads(line) for line in rest] == left
