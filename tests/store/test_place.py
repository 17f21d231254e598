"""A copied state directory knows that it is one: nothing of the original is ended, started or sent by it."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.conversation import Conversation
from praisonrun.core.errors import ConfigError, Unavailable
from praisonrun.core.model import Failure, Run, Status
from praisonrun.store import Store, directory
from praisonrun.store.directory import DATABASE

RUNNING: dict[str, Any] = {"status": Status.RUNNING, "boot": "b", "started_at": 2, "attempt": 1}


async def put(store: Store, run_id: str, **fields: Any) -> None:
    await store.add(Run(run_id, "a", "v", 1, 1, 0)._replace(**fields), key=None, queue_limit=9)


@pytest.fixture
async def original(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    async with Store.open(state) as store:
        await put(store, "run_live", **RUNNING)
        await put(store, "run_queued")
        await put(store, "run_held", held=True)
        await put(store, "run_told", webhook_url="http://127.0.0.1:9/", **RUNNING)
        over: dict[str, Any] = {"status": Status.SUCCEEDED, "finished_at": 3, "journal_end": 64}
        await store.change("run_told", lambda run: run._replace(**over))
    return state


async def refusal(state: Path, **flags: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        async with Store.open(state, **flags):
            pass
    return refused.value.message


def content(state: Path) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(state / DATABASE)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table}").fetchall()
            for table in ("runs", "deliveries", "place")
        }


@pytest.mark.parametrize("how", ["copied", "restored", "only the database"])
async def test_a_copy_is_refused_and_left_alone(original: Path, how: str) -> None:
    copy, before = original.with_name("copy"), content(original)
    if how == "only the database":
        shutil.copy(original / DATABASE, original / "new.db")
        (original / "new.db").replace(original / DATABASE)
        copy = original
    else:
        shutil.copytree(original, copy)
    if how == "restored":
        shutil.rmtree(original)
        copy = copy.rename(original)
    said = await refusal(copy)
    assert said.startswith(
        f"{copy} is a copy of {original} (or was restored or moved). Nothing of it was started."
    )
    assert said.endswith(f"praisonrun serve --state {copy} --adopt")
    assert content(copy) == before


async def test_a_moved_directory_stays_what_it_is(original: Path) -> None:
    moved = original.rename(original.with_name("moved"))
    async with Store.open(moved) as store:
        assert (await store.get("run_live")).status == Status.RUNNING
    assert content(moved)["place"][0][-1] == str(moved)


async def test_device_numbers_may_change_with_a_reboot_only(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(sqlite3.connect(original / DATABASE)) as db, db:
        db.execute("UPDATE place SET dev = dev + 1")
    assert "is a copy" in await refusal(original)
    monkeypatch.setattr(directory, "boot_id", lambda: "another")
    async with Store.open(original) as store:
        assert store.id


async def test_an_adopted_copy_repeats_nothing_the_original_does(original: Path) -> None:
    async with Store.open(original) as store:
        first = store.id
        await put(store, "run_talks", conversation="c", **RUNNING)
        told = Conversation("its name", "run_talks")
        await store.settle("run_talks", lambda run: run._replace(pid=7), told)
    copy = original.with_name("copy")
    shutil.copytree(original, copy)
    async with Store.open(copy, lambda run_id: 100 + len(run_id)) as store:
        assert re.fullmatch("[0-9a-f]{16}", store.id)
        assert store.id != first
        adopted = store.id
        lost, queued, held = [await store.get(f"run_{name}") for name in ("live", "queued", "held")]
        assert (lost.status, lost.failure, lost.journal_end) == (Status.FAILED, Failure.LOST, 108)
        assert lost.error == "lost: its process belongs to the original"
        assert {queued.status, held.status} == {Status.CANCELLED}
        assert queued.error == "cancelled: adopted from a copy; retry it"
        [log] = await store.outbox.of_run("run_told")
        assert log.delivery.state == "dead"
        assert await store.outbox.replay_dead(5) == 1
        assert await store.conversation("c") == Conversation("", "run_talks")  # it belongs to the original
    async with Store.open(copy) as store:
        assert store.id == adopted
    async with Store.open(original) as store:
        assert store.id == first
        assert (await store.get("run_live")).status == Status.RUNNING


async def test_an_adoption_that_fails_changes_nothing(original: Path) -> None:
    copy = original.with_name("copy")
    shutil.copytree(original, copy)
    before = content(copy)

    def unreadable(run_id: str) -> int:
        raise OSError(5, "Input/output error")

    with pytest.raises(Unavailable, match="input/output"):
        async with Store.open(copy, unreadable):
            pass
    assert content(copy) == before


@pytest.mark.parametrize("how", ["removed", "emptied"])
async def test_journals_without_their_database_are_no_empty_store(original: Path, how: str) -> None:
    runs = original / "runs"
    runs.mkdir()
    for name in ("a", "b"):
        (runs / f"run_{name}.journal").touch()
    (original / DATABASE).unlink()
    if how == "emptied":
        (original / DATABASE).touch()
    said = await refusal(original)
    gone = f"{original / DATABASE} is gone, but the files of 2 runs are in {runs}"
    assert said == f"{gone}; restore it, or move {runs} away"
    runs.rename(original / "away")
    async with Store.open(original) as store:
        assert await store.queued() == 0
