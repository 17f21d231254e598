"""What runs are to each other, and what a caller decides: trees, held runs, ids of one's own, owners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praisonrun.core.errors import NotFound, QueueFull, WrongState
from praisonrun.core.model import Status
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.files.run_files import RunFiles, file_name, run_id_of
from praisonrun.store import Find, Key, Store, lists

from ..rigs.harness import Json, alive, ran, submit, until
from ..rigs.wire_rig import RUNS, Api

Engines = Callable[..., AbstractAsyncContextManager[Engine]]


async def child(engine: Engine, parent: str, agent: str = "wait", **more: Json) -> str:
    return await submit(engine, agent, parent=parent, **more)


async def status(engine: Engine, run_id: str) -> str:
    return (await engine.get(run_id)).run.status.value


async def tree(engine: Engine, run_id: str) -> list[str]:
    found, total = await engine.find(Find(root=run_id))
    assert total == len(found)
    return [shown.run.id for shown in found]


async def test_a_tree_has_one_root_and_is_listed_whole(engine: Engine) -> None:
    top = (await ran(engine, "quick")).run.id
    alone = (await ran(engine, "quick")).run.id
    assert await tree(engine, top) == [top]
    first = await child(engine, top, "quick")
    second = await child(engine, first, "quick")
    runs = [(await engine.get(run_id)).run for run_id in (top, first, second)]
    assert [(run.parent, run.root) for run in runs] == [(None, top), (top, top), (first, top)]
    assert await tree(engine, top) == [second, first, top]
    assert await tree(engine, alone) == [alone]
    assert await tree(engine, "nobody") == []
    page, _ = await engine.find(Find(root=top, page_size=2))
    rest, _ = await engine.find(Find(root=top, after_seq=page[-1].run.seq))
    assert [shown.run.id for shown in (*page, *rest)] == [second, first, top]


async def test_a_cancel_takes_the_descendants_along_and_nobody_else(engines: Engines) -> None:
    async with engines(concurrency=3) as engine:
        top = await submit(engine, "wait")
        middle = (await ran(engine, "quick", parent=top)).run.id
        live, low = await child(engine, top), await child(engine, middle)
        queued = await child(engine, low)
        other = await submit(engine, "quick")
        pids = [
            (await until(engine, run_id, lambda shown: bool(shown.pid))).pid for run_id in (top, live, low)
        ]
        assert await status(engine, queued) == "queued"
        await engine.cancel(top, "enough")
        for run_id in (top, live, low, queued):
            run = (await engine.get(run_id)).run
            assert (run.status, run.error) == (Status.CANCELLED, "cancelled: enough")
        assert not any(map(alive, pids))
        assert await status(engine, middle) == "succeeded"
        assert (await engine.until_final(other)).run.status is Status.SUCCEEDED


async def test_a_cancel_spares_what_is_above_and_beside(engine: Engine) -> None:
    top = await submit(engine, "wait")
    left, right = await child(engine, top), await child(engine, top)
    await engine.cancel(left)
    assert [await status(engine, run_id) for run_id in (top, left, right)] == [
        "running",
        "cancelled",
        "running",
    ]
    await engine.cancel(top)


async def test_a_parent_must_exist_and_not_be_cancelled(engine: Engine) -> None:
    with pytest.raises(NotFound):
        await child(engine, "nobody")
    top = await submit(engine, "wait")
    await engine.cancel(top)
    with pytest.raises(WrongState, match="no more children"):
        await child(engine, top)
    _, total = await engine.find(Find())
    assert total == 1


async def test_a_key_answers_before_the_parent_is_looked_at(engine: Engine) -> None:
    top = await submit(engine, "wait")
    ask = Submit(Choice("quick"), "x", parent=top)
    first, _ = await engine.submit(ask, Key("s", "k", {}))
    await engine.cancel(top)
    again, replayed = await engine.submit(ask, Key("s", "k", {}))
    assert (again.run.id, replayed) == (first.run.id, True)


async def test_a_held_run_waits_for_its_release_also_across_a_restart(engines: Engines) -> None:
    async with engines() as engine:
        held = await submit(engine, "echo", "", held=True)
        assert (await ran(engine, "quick")).run.status is Status.SUCCEEDED  # others pass it
    async with engines() as engine:
        assert (await ran(engine, "quick")).run.status is Status.SUCCEEDED
        assert await status(engine, held) == "queued"
        shown = await engine.release(held, "now")
        assert not shown.run.held
        with pytest.raises(WrongState, match="not held"):
            await engine.release(held, "twice")
        done = await engine.until_final(held)
        assert (await engine.journals.result(done.run)).value == "got now\n"
        full = await engine.store.get_full(held)
        assert (full.prompt, full.input) == ("now", None)
        with pytest.raises(NotFound):
            await engine.release("nobody", "x")


async def test_a_held_run_can_be_cancelled_and_takes_a_place_in_the_queue(engines: Engines) -> None:
    async with engines(queue_limit=1) as engine:
        held = await submit(engine, "echo", "", held=True)
        with pytest.raises(QueueFull):
            await submit(engine, "echo", "", held=True)
        assert (await engine.cancel(held)).run.status is Status.CANCELLED
        with pytest.raises(WrongState):
            await engine.release(held, "late")


async def test_an_id_of_one_s_own(engine: Engine) -> None:
    shown = await ran(engine, "echo", "a", id="My.Run:1")
    assert shown.run.id == "My.Run:1"
    assert (await engine.journals.result(shown.run)).value == "got a\n"
    with pytest.raises(WrongState, match=r"already a run My\.Run:1"):
        await submit(engine, "echo", id="My.Run:1")
    other = await ran(engine, "echo", "b", id="my.run:1")
    assert (await engine.journals.result(other.run)).value == "got b\n"
    await engine.delete("My.Run:1")
    assert (await engine.journals.result(other.run)).value == "got b\n"


async def test_a_taken_id_leaves_the_envs_of_its_run_alone(engines: Engines) -> None:
    async with engines(concurrency=1) as engine:
        first = await submit(engine, "wait")
        queued = await submit(engine, "needy", envs={"SECRET": "12345"}, id="mine")
        with pytest.raises(WrongState):
            await submit(engine, "quick", id="mine")
        await engine.cancel(first)
        assert (await engine.until_final(queued)).run.status is Status.SUCCEEDED


async def test_owners_are_lists_of_their_own(engine: Engine) -> None:
    for owner in ("a", "b", "a", None):
        await ran(engine, "quick", owner=owner)
    for owner, count in (("a", 2), ("b", 1), ("c", 0)):
        found, total = await engine.find(Find(owner=owner))
        assert (len(found), total) == (count, count)
        assert {shown.run.owner for shown in found} <= {owner}


@pytest.mark.parametrize("wanted", [Find(root="r"), Find(root="r", agent="a", owner="o"), Find(owner="o")])
async def test_a_tree_or_an_owner_is_found_without_a_scan(tmp_path: Path, wanted: Find) -> None:
    sql, values = lists.page_query(wanted)
    async with Store.open(tmp_path) as store:
        steps = await store._reader.run(lambda db: db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    used = {name for step in steps for name in ("runs_by_root", "runs_by_owner") if name in step[3]}
    assert used == {"runs_by_root" if wanted.root else "runs_by_owner"}
    assert not [step for step in steps if "SCAN runs" in step[3]]


async def test_labels_come_back_as_they_were(engine: Engine) -> None:
    labels = {"kind": "task", "deep": {"list": [1, None, "ü"]}}
    assert (await ran(engine, "quick", labels=labels)).run.labels == labels


async def test_the_result_s_place_has_the_name_that_the_submit_gave(engine: Engine) -> None:
    done = await ran(engine, "env", result_env="OTHER_RESULT_PATH")
    env = (await engine.journals.result(done.run)).value
    assert '"OTHER_RESULT_PATH": "' in env
    run, _ = await engine.retry(done.run.id, {})
    assert (run.run.result_env, run.run.parent) == ("OTHER_RESULT_PATH", None)


IDS = st.text("ABab01._:-", min_size=1, max_size=128)


@given(IDS, IDS)
def test_every_id_has_a_file_name_of_its_own(one: str, other: str) -> None:
    names = file_name(one), file_name(other)
    assert (names[0].lower() == names[1].lower()) == (one == other)
    for run_id, name in zip((one, other), names, strict=True):
        assert run_id_of(name) == run_id
        assert len(f"{name}.journal") < 256
        assert name not in (".", "..")
        assert "." not in name


@pytest.mark.scorecard(28)
def test_dangerous_ids_stay_inside(tmp_path: Path) -> None:
    runs = RunFiles(tmp_path)
    wanted = {"..", ".", "a", "A", "a.journal", "run_1", "Z" * 128, "=mfqq"}
    for run_id in wanted:
        runs.folder(run_id).mkdir()
    assert {path.parent for path in map(runs.folder, wanted)} == {tmp_path / "runs"}
    assert set(runs.ids_on_disk()) == wanted
    assert runs.folder("run_1").name == "run_1"
    (tmp_path / "runs" / "=not coded").touch()
    assert "=not coded" in set(runs.ids_on_disk())


def test_trees_over_the_jobs_api(api: Api) -> None:
    top = api.submit("wait")
    below = api.submit("wait", parent=top)
    shown = api.status(below)
    assert (shown["parent"], shown["root"]) == (top, top)
    assert (api.status(top)["parent"], api.status(top)["root"]) == (None, top)
    listed = api.get(RUNS, params={"root": top}).json()
    assert ([job["job_id"] for job in listed["jobs"]], listed["total"]) == ([below, top], 2)
    assert api.post(f"{RUNS}/{top}/cancel").json()["status"] == "cancelled"
    assert api.status(below)["status"] == "cancelled"
    refused = api.post(RUNS, json={"agent": "quick", "prompt": "x", "parent": top})
    assert refused.status_code == 409
    assert api.post(RUNS, json={"agent": "quick", "prompt": "x", "parent": "nobody"}).status_code == 404


def test_a_deleted_run_in_the_middle_does_not_save_what_is_below_it(api: Api) -> None:
    top = api.submit("wait")
    middle = api.submit("quick", parent=top)
    below = api.submit("wait", parent=middle)
    assert api.ended(middle)["status"] == "succeeded"
    assert api.delete(f"{RUNS}/{middle}").status_code == 204
    assert api.post(f"{RUNS}/{top}/cancel").json()["status"] == "cancelled"
    assert api.status(below)["status"] == "cancelled"
