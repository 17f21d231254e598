"""Viewers of the jobs dialect's streams: they come late, leave, stall, and are let go."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from praisonrun.dialects.event_stream import Cursor, EventStream
from praisonrun.dialects.jobs.events import JobEvents, Streams, sse
from praisonrun.dialects.jobs.logs import Logs
from praisonrun.engine.engine import Engine
from praisonrun.files.run_files import RunFiles
from praisonrun.journal.format import MAGIC, WATCH_AT
from praisonrun.web.responses import StreamLimits

from ...rigs.harness import Server, Sse, submit
from ...rigs.wire_rig import RUNS, Api, Call, app_of, raw

HELLO = b"retry: 2000\n: praisonrun\n\n"


# Viewers


def test_a_stream_opened_while_queued_sees_it_all(unstarted: Server, tmp_path: Path) -> None:
    unstarted.start("--concurrency", "1")
    with Api(unstarted.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), api.submit("echo", "c")
        with api.stream("GET", f"{RUNS}/{queued}/stream") as answer:
            lines = answer.iter_lines()
            assert [next(lines) for _ in range(4)] == ["retry: 2000", ": praisonrun", "", "id: 1"]
            events = iter(Sse(lines))
            assert next(events)[2]["status"] == "queued"
            (tmp_path / "gate").touch()
            names = [name for _, name, _ in events]
        assert names == ["status", "attempt", "log", "attempt", "result", "complete", "done"]
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


async def test_a_silent_stream_has_a_heartbeat(engine: Engine, held: str) -> None:
    call = Call(f"{RUNS}/{held}/stream")
    async with call.to(app_of(Streams(engine, StreamLimits(), heartbeat=0.001))):
        assert (await call.until(b": heartbeat\n\n: heartbeat\n\n")).startswith(HELLO + b"id: 1\n")
        call.left.set()


@pytest.mark.parametrize("path", ["stream", "logs?follow"])
async def test_a_client_that_left_is_forgotten(engine: Engine, held: str, tmp_path: Path, path: str) -> None:
    def watched() -> bytes:
        with RunFiles(tmp_path / "state").journal(held).open("rb") as journal:
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
    reader = engine.files.reader(run_id)
    assert reader is not None
    with reader, RunFiles(tmp_path / "state").journal(run_id).open("r+b") as journal:
        before = reader.frames(64)
        journal.seek(0, os.SEEK_END)
        journal.write(b"\0" * 100 + MAGIC)
        journal.flush()
        assert reader.frames(64) == before
        assert len(list(reader.headers(64))) == len(before)
    assert (await engine.journals.result(shown.run)).value == "got hi\n"
    call = Call(f"{RUNS}/{run_id}/stream")
    async with call.to(app_of(Streams(engine, StreamLimits()))):
        assert b"event: complete" in await call.until(b"[DONE]")


def test_a_stop_lets_all_viewers_go_at_once(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("until", str(tmp_path / "gate"))
    with Api(server.url) as api:
        api.until(run_id, "up")
        url, after = f"{RUNS}/{run_id}", api.get(f"{RUNS}/{run_id}/events").json()["next"]
        lines = {"Accept": "application/x-ndjson"}
        with ThreadPoolExecutor() as threads, ExitStack() as streams:
            page = threads.submit(api.get, f"{url}/events?wait=60&after={after}")  # long before the stop
            asked: list[tuple[str, dict[str, str]]] = [
                (f"{url}/stream", {}),
                (f"{url}/stream", lines),
                (f"{url}/logs?follow", {}),
            ]
            opened = [api.stream("GET", path, headers=headers) for path, headers in asked]
            readers = [streams.enter_context(each).iter_text() for each in opened]
            seen = [next(reader) for reader in readers]
            assert server.stop() == 0
            seen = [first + "".join(reader) for first, reader in zip(seen, readers, strict=True)]
            assert page.result().json() == {"events": [], "next": after, "done": False}
    assert all("up" in text and "complete" not in text and "DONE" not in text for text in seen)
    assert not [line for line in server.said if "ERROR" in line or "Traceback" in line]
