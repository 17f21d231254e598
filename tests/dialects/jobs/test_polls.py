"""Polls that cost little: what is known already is not sent again, and what is not yet may be waited for."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from praisonrun.dialects.jobs import Jobs
from praisonrun.engine.engine import Engine
from praisonrun.web.responses import StreamLimits

from ...rigs.harness import Engines, submit
from ...rigs.wire_rig import RUNS, WIRE_AGENTS, Api, Call, app_of


@pytest.mark.parametrize("query", ["", "?session_id=known"])
def test_what_a_client_has_is_not_sent_again(api: Api, query: str) -> None:
    run_id = api.ran("quick", session_id="known")["job_id"]
    url = RUNS + (query or f"/{run_id}")
    answer = api.get(url)
    tag = answer.headers["etag"]
    assert tag.startswith('W/"')
    for named in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = api.get(url, headers={"If-None-Match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers.get("praisonrun-cursor") == answer.headers.get("praisonrun-cursor")
    for named in ('"other"', tag.strip("W/")[1:-1], ""):
        assert api.get(url, headers={"If-None-Match": named}).json() == answer.json()
    assert api.head(url, headers={"If-None-Match": tag}).status_code == 304


def test_what_changed_is_another_state(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"), session_id="changes")
    urls = [f"{RUNS}/{run_id}", f"{RUNS}?session_id=changes"]
    api.until(run_id, "up")
    tags = [api.get(url).headers["etag"] for url in urls]
    (tmp_path / "gate").touch()
    api.ended(run_id)
    for url, tag in zip(urls, tags, strict=True):
        assert api.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_a_poll_waits_no_longer_than_it_is_told(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    url = f"{RUNS}/{run_id}?wait=0.01"
    first = api.get(url)
    assert (first.status_code, first.json()["status"], first.headers["retry-after"]) == (200, "running", "1")
    assert api.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    (tmp_path / "gate").touch()
    api.ended(run_id)
    over = api.get(f"{RUNS}/{run_id}?wait=60")  # there is nothing to wait for
    assert (over.status_code, over.json()["status"]) == (200, "succeeded")
    assert api.get(f"{RUNS}/{run_id}?wait=60", headers={"If-None-Match": "*"}).status_code == 304
    for wrong in ("-1", "301", "nan", "x"):
        assert api.get(f"{RUNS}/{run_id}?wait={wrong}").status_code == 422
    assert api.get(f"{RUNS}/none?wait=60").status_code == 404


async def test_a_poll_that_waits_answers_at_the_next_status(engine: Engine, tmp_path: Path) -> None:
    held = [await submit(engine, "until", str(tmp_path / "gate")) for _ in range(4)]
    queued = await submit(engine, "until", str(tmp_path / "gate"))
    app = app_of(Jobs(engine, StreamLimits()))
    for before, after in (("queued", "running"), ("running", "succeeded")):
        poll = Call(f"{RUNS}/{queued}?wait=60")
        async with poll.to(app):
            await anyio.wait_all_tasks_blocked()
            assert (await engine.get(queued)).visible_status == before
            if before == "queued":
                await engine.cancel(held[0])
            else:
                (tmp_path / "gate").touch()
            assert json.loads(await poll.until(b"}"))["status"] == after
    for run_id in held:
        await engine.until_final(run_id)


HALFWAY = """
import os, time
with open(os.environ['PRAISONRUN_EVENTS'], 'w') as events:
    events.write('{"percentage": 50}\\n')
while not os.path.exists(%r):
    time.sleep(0.01)
"""


async def test_who_has_an_etag_waits_for_progress_too(
    engines: Engines, agents_file: Path, tmp_path: Path
) -> None:
    agents_file.write_text(WIRE_AGENTS)
    async with engines() as engine:
        run_id = await submit(engine, "telling-code", HALFWAY % str(tmp_path / "gate"))
        app, tag, seen = app_of(Jobs(engine, StreamLimits(), look=0.01)), '"none"', list[float]()
        while 50.0 not in seen:
            poll = Call(f"{RUNS}/{run_id}?wait=60", {"If-None-Match": tag})
            async with poll.to(app):
                tag = (await poll.head())["etag"]
                seen.append(json.loads(await poll.until(b"}"))["progress"]["percentage"])
        (tmp_path / "gate").touch()
        assert (await engine.until_final(run_id)).run.error is None


async def test_a_client_that_leaves_gives_its_place_back(engine: Engine, held: str) -> None:
    limits = StreamLimits()
    poll = Call(f"{RUNS}/{held}?wait=60")
    async with poll.to(app_of(Jobs(engine, limits))):
        await anyio.wait_all_tasks_blocked()
        assert limits.open == 1
        poll.left.set()
    assert limits.open == 0
    crowded = Call(f"{RUNS}/{held}?wait=60")
    async with crowded.to(app_of(Jobs(engine, StreamLimits(0)))):
        assert b'"running"' in await crowded.until(b"}")  # where there is no place it comes at once
