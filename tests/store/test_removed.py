"""What was removed is remembered by number, for whoever asks what changed; and how far that goes back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from praisonrun.core import clock, lifecycle
from praisonrun.core.errors import NotFound, WrongState
from praisonrun.core.model import Run
from praisonrun.store import Store, writes

DAY = 86_400_000_000


async def add(store: Store, *names: str, final: bool = True) -> None:
    for name in names:
        await store.add(Run(name, "a", "v", 1, 1, 0), key=None, queue_limit=1000)
        if final:
            await store.change(name, lambda run: lifecycle.cancel(run, 7))


async def asked(store: Store, sql: str) -> list[tuple[int, ...]]:
    return await store._reader.run(lambda db: db.execute(sql).fetchall())


async def remembered(store: Store) -> list[str]:
    return [str(run_id) for (run_id,) in await asked(store, "SELECT id FROM removed ORDER BY rev")]


async def floor(store: Store) -> int:
    ((rev,),) = await asked(store, "SELECT rev FROM removed_floor")
    return rev


async def test_each_removed_run_leaves_its_number(store: Store) -> None:
    await add(store, "run_1", "run_2", "run_3")
    await add(store, "run_4", final=False)
    ((last,),) = await asked(store, "SELECT max(rev) FROM runs")
    before = clock.now()
    await store.delete("run_2")
    await store.prune(["run_3", "run_4", "run_1", "run_1", "run_0"])  # one lives, one is gone, one never was
    with pytest.raises(NotFound):
        await store.delete("run_2")
    with pytest.raises(WrongState):
        await store.delete("run_4")
    assert await remembered(store) == ["run_2", "run_3", "run_1"]
    revs = [rev for (rev,) in await asked(store, "SELECT rev FROM removed ORDER BY rev")]
    assert last < revs[0] < revs[1] < revs[2]
    ((at,),) = await asked(store, "SELECT min(at) FROM removed")
    assert before <= at <= clock.now()
    assert await store.removed(["run_1", "run_4", "run_0"]) == {"run_1"}
    await add(store, "run_5")
    ((first,),) = await asked(store, "SELECT rev FROM runs WHERE id = 'run_5'")
    assert first > revs[-1]


async def test_a_removal_that_is_rolled_back_leaves_none(store: Store) -> None:
    await add(store, "run_1")

    def torn(db: sqlite3.Connection) -> None:
        writes.delete(db, "run_1")
        raise KeyError("torn")

    with pytest.raises(KeyError):
        await store._writer.run(torn)
    assert await remembered(store) == []
    assert (await store.get("run_1")).id == "run_1"


async def test_what_is_old_and_not_among_the_newest_is_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "REMOVED", 3)
    names = [f"run_{number}" for number in range(6)]
    await add(store, *names)
    await store.prune(names)
    await store.forget_removed(0)  # all are young
    assert (await remembered(store), await floor(store)) == (names, 0)
    ages = "UPDATE removed SET at = CASE id WHEN 'run_0' THEN ? WHEN 'run_2' THEN ? ELSE 1 END"
    # The clock was wrong: run_0 went before run_1, whatever it says.
    await store._writer.run(lambda db: db.execute(ages, (99 * DAY, 99 * DAY)))
    ((rev,),) = await asked(store, "SELECT rev FROM removed WHERE id = 'run_1'")
    await store.forget_removed(2)
    assert (await remembered(store), await floor(store)) == (names[2:], rev)
    await store.forget_removed(2)
    assert (await remembered(store), await floor(store)) == (names[2:], rev)
    monkeypatch.setattr(writes, "REMOVED", 100)
    await store.forget_removed(100 * DAY)  # few
    assert await remembered(store) == names[2:]


async def test_numbers_go_on_after_all_that_was_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "REMOVED", 0)
    async with Store.open(tmp_path / "state") as store:
        await add(store, "run_1")
        await store.prune(["run_1"])
        await store.forget_removed(clock.now() + DAY)
        low = await floor(store)
    async with Store.open(tmp_path / "state") as store:
        assert (await remembered(store), await floor(store)) == ([], low)
        await add(store, "run_1")
        ((rev,),) = await asked(store, "SELECT rev FROM runs")
        assert rev > low > 0
