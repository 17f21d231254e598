"""Group commit: writes share a transaction, fail alone, and outlive their callers' cancellation."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.errors import DiskFull, NotFound, Unavailable, WrongState
from praisonrun.core.model import Run
from praisonrun.store import Find, Store
from praisonrun.store.group_commit import GroupCommit


def run(name: str, prompt: str = "") -> Run:
    return Run(name, "hello", "v", 1, 1, 1, prompt=prompt)


async def add(store: Store, name: str, prompt: str = "") -> str:
    added = await store.add(run(name, prompt), key=None, queue_limit=1_000_000)
    return added.run.id


async def begun(store: Store) -> list[str]:
    """Return a list to which every BEGIN, COMMIT and ROLLBACK of the writer will be added."""
    said: list[str] = []

    def listen(sql: str) -> None:
        if sql.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            said.append(sql)

    await store._writer.run(lambda db: db.set_trace_callback(listen))
    await store._writer.run(lambda _: None)
    said.clear()
    return said


async def test_writes_that_wait_together_share_a_transaction(store: Store) -> None:
    said = await begun(store)
    await asyncio.gather(*(add(store, f"run_{n}") for n in range(100)))
    assert said == ["BEGIN IMMEDIATE", "COMMIT"]


async def test_a_refusal_that_wrote_nothing_costs_the_others_nothing(store: Store) -> None:
    await add(store, "run_0")
    said = await begun(store)
    answers = await asyncio.gather(*(add(store, f"run_{n % 3}") for n in range(6)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [WrongState, str, str, WrongState, WrongState, WrongState]
    assert said == ["BEGIN IMMEDIATE", "COMMIT"]


@pytest.mark.parametrize("error", [ZeroDivisionError, NotFound, sqlite3.IntegrityError])
async def test_an_error_after_a_write_undoes_that_write_alone(store: Store, error: type[Exception]) -> None:
    await add(store, "run_0")

    def spoil(db: sqlite3.Connection) -> None:
        db.execute("UPDATE runs SET error = 'spoiled'")
        raise error("no")

    *others, spoiled = await asyncio.gather(
        add(store, "run_1"), add(store, "run_2"), store._writer.run(spoil), return_exceptions=True
    )
    assert others == ["run_1", "run_2"]
    assert isinstance(spoiled, error)
    assert [found.error for found in (await store.find(Find())).runs] == [None] * 3


async def test_a_commit_that_fails_tells_everybody(store: Store) -> None:
    """A deferred constraint fails at COMMIT only: nobody's own function is at fault."""

    def owe_nobody(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute(
            "INSERT INTO deliveries (id, run_seq, url, receiver, type, due_at, created_at) "
            "VALUES ('m', 9, 'u', 'u', 't', 1, 1)"
        )

    answers = await asyncio.gather(
        add(store, "run_1"), store._writer.run(owe_nobody), add(store, "run_2"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [sqlite3.IntegrityError] * 3
    assert (await store.find(Find())).total == 0
    assert await add(store, "run_1") == "run_1"


@pytest.mark.scorecard(10)
async def test_a_full_disk_refuses_and_recovers(store: Store) -> None:
    await add(store, "run_0")
    pages = await store._writer.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store._writer.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    answers = await asyncio.gather(
        add(store, "run_big", "x" * 100_000), add(store, "run_small"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [DiskFull, str]
    assert [found.id for found in (await store.find(Find())).runs] == ["run_small", "run_0"]
    await store._writer.run(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await add(store, "run_big", "x" * 100_000) == "run_big"


@pytest.mark.scorecard(11)
async def test_after_a_failed_fsync_nothing_more_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(store, "run_0")

    def failing(self: GroupCommit, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return sqlite3.Connection.execute(self, sql, values)

    monkeypatch.setattr(GroupCommit, "execute", failing)
    answers = await asyncio.gather(add(store, "run_1"), add(store, "run_2"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert store.lost
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="restart"):
        await add(store, "run_3")
    assert [found.id for found in (await store.find(Find())).runs] == ["run_0"]


async def test_a_caller_that_goes_away_leaves_nothing_half_done(store: Store) -> None:
    """500 callers, most of them cancelled at random turns of the loop; what was acknowledged is there."""
    dice = random.Random(7)
    acknowledged: set[str] = set()

    async def submit(name: str) -> None:
        acknowledged.add(await add(store, name))

    tasks = [asyncio.create_task(submit(f"run_{n}")) for n in range(500)]
    while pending := [task for task in tasks if not task.done()]:
        for task in dice.sample(pending, min(len(pending), dice.randrange(4))):
            task.cancel()
        await store.queued()
    assert any(task.cancelled() for task in tasks)
    await add(store, "run_last")
    there = {found.id for found in (await store.find(Find(page_size=1000))).runs}
    assert acknowledged | {"run_last"} <= there
    assert not await store._writer.run(lambda db: db.execute("PRAGMA foreign_key_check").fetchall())


async def test_cancelled_one_at_a_time_five_hundred_times(store: Store) -> None:
    dice = random.Random(3)
    for n in range(500):
        task = asyncio.create_task(add(store, f"run_{n}"))
        kept = asyncio.create_task(add(store, f"kept_{n}"))
        for _ in range(dice.randrange(6)):
            await asyncio.wait([task], timeout=0)
        task.cancel()
        assert await kept == f"kept_{n}"
    kept_ids = {
        found.id for found in (await store.find(Find(page_size=2000))).runs if found.id.startswith("kept")
    }
    assert len(kept_ids) == 500


async def test_a_cancelled_commit_task_still_answers(store: Store) -> None:
    """A loop that goes down cancels every task, the one that waits for the commit too."""
    first = asyncio.create_task(add(store, "run_1"))
    await asyncio.wait([first], timeout=0)
    store._writer._commit.cancel()
    assert await first == "run_1"
    assert await add(store, "run_2") == "run_2"


async def test_nobody_waits_for_a_thread_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Store.open(tmp_path / "s") as store:
        await add(store, "run_1")

        def failing(self: GroupCommit, jobs: Any) -> None:
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr(GroupCommit, "_settle", failing)
            asked = [asyncio.create_task(add(store, f"run_{n}")) for n in range(2, 700)]
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
            assert {(type(answer), str(answer)) for answer in answers} == {
                (Unavailable, "the store stopped; restart the server")
            }
        with pytest.raises(Unavailable):
            await add(store, "run_3")
        assert (await store.get("run_1")).id == "run_1"


async def test_a_thread_that_fails_at_the_end_does_not_keep_the_store_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: GroupCommit, jobs: Any) -> None:
        raise MemoryError

    async with asyncio.timeout(10), Store.open(tmp_path / "s") as store:
        await add(store, "run_1")
        monkeypatch.setattr(GroupCommit, "_settle", failing)


async def test_closing_answers_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s") as store:
        waiting = [asyncio.create_task(add(store, f"run_{n}")) for n in range(1200)]
        await asyncio.wait(waiting, timeout=0)
    assert sorted(await asyncio.gather(*waiting)) == sorted(f"run_{n}" for n in range(1200))
    for ask in (add(store, "run_x"), store.get("run_1"), store._writer.checkpoint()):
        with pytest.raises(Unavailable):
            await ask
