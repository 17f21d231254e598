"""Cancels of all runs that the filters of a list leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from praisonrun.core.model import Status
from praisonrun.dialects.jobs.lists import Lists
from praisonrun.engine import cancels
from praisonrun.engine.engine import Engine
from praisonrun.store import Find

from ...engine.test_engine import until_printed
from ...rigs.harness import Engines, submit
from ...rigs.wire_rig import RUNS, Api, Call, app_of

CANCEL = f"{RUNS}/cancel"


def test_the_filters_say_which(api: Api) -> None:
    mine = [api.submit("wait", session_id="many") for _ in range(2)]
    child = api.submit("wait", session_id="else", parent=mine[0])
    over, other = api.ran("quick", session_id="many")["job_id"], api.submit("wait", session_id="else")
    for run_id in (*mine, child, other):
        api.until(run_id, "up")
    none = api.post(CANCEL, params={"session_id": "many", "status": "failed,queued"}).json()
    assert none == {"cancelled": 0, "job_ids": []}
    done = api.post(CANCEL, params={"session_id": "many", "q": "x", "since": "1h"}).json()
    assert (done["cancelled"], {*done["job_ids"]}) == (3, {*mine, child})
    assert {api.status(run_id)["status"] for run_id in (*mine, child)} == {"cancelled"}
    assert (api.status(over)["status"], api.status(other)["status"]) == ("succeeded", "running")
    asked = api.post(CANCEL, params={"session_id": "else", "wait": "false"}).json()
    assert asked == {"cancelled": 1, "job_ids": [other]}
    assert api.ended(other)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "nothing says which runs: give status, session_id, agent, root, since or q, or send all=true"),
        ("?q=&mode=run&wait=false", "nothing says which runs"),
        ("?all=false", "nothing says which runs"),
        ("?agnet=fail&all=true", "the field 'agnet' is unknown; did you mean 'agent'?"),
        ("?agent=fail&page=2", "the field 'page' is unknown"),
        ("?since=soon", "since: 'soon' is neither"),
        ("?agent=a&agent=b", "given more than once"),
    ],
)
def test_who_does_not_say_which_cancels_nothing(api: Api, query: str, said: str) -> None:
    run_id = api.submit("wait")
    answer = api.post(CANCEL + query)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True)
    assert api.post(f"{CANCEL}?status=live").status_code == 400
    answer = api.post(f"{CANCEL}?all=true", json={"agent": "fail"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body"])
    api.until(run_id, "up")
    assert api.status(run_id)["status"] == "running"
    api.post(f"{RUNS}/{run_id}/cancel")


async def test_all_are_cancelled_and_no_queued_one_starts(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "PAGE", 3)
    monkeypatch.setattr(cancels, "BATCH", 2)
    runs = [await submit(engine, "until", str(tmp_path / "gate")) for _ in range(12)]
    for run_id in runs[:4]:
        await until_printed(engine, run_id, "up")
    call = Call(f"{CANCEL}?all=true", method="POST")
    async with call.to(app_of(Lists(engine))):
        said = json.loads(await call.until(b"]}"))
    assert (said["cancelled"], set(said["job_ids"])) == (12, set(runs))
    ended = [(await engine.get(run_id)).run for run_id in runs]
    assert {run.status for run in ended} == {Status.CANCELLED}
    assert [run.attempt for run in ended] == [1] * 4 + [0] * 8


async def test_held_runs_end_too_and_the_finished_are_left_alone(engines: Engines) -> None:
    async with engines(concurrency=1) as engine:
        live = await submit(engine, "wait")
        held, queued = await submit(engine, "quick", held=True), await submit(engine, "quick")
        assert set(await engine.cancel_found(Find(agent="quick"))) == {held, queued}
        assert await engine.cancel_found(Find(status=[Status.RUNNING])) == [live]
        assert await engine.cancel_found(Find()) == []
