"""What is too old goes, and nothing else: ages, sizes, kept scratch directories, files without a row."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from praisonrun.core import clock
from praisonrun.core.model import Run, Status
from praisonrun.engine import retention
from praisonrun.engine.engine import Engine
from praisonrun.engine.retention import Keep, Retention, prunable
from praisonrun.files.run_files import RunFiles
from praisonrun.store import Find

from ..rigs.harness import ran, submit

DAY = 86_400_000_000


class House(NamedTuple):
    engine: Engine
    files: RunFiles

    def retention(self, **keep: int) -> Retention:
        return Retention(self.engine.store, self.files, clock.now, Keep(**{"days": 0, "bytes": 0, **keep}))

    async def used(self) -> int:
        return self.files.usage() + await self.engine.store.used_bytes()

    async def there(self) -> list[str]:
        return [shown.run.id for shown in (await self.engine.find(Find()))[0]]


@pytest.fixture
async def house(engine: Engine, tmp_path: Path) -> House:
    return House(engine, RunFiles(tmp_path / "state"))


def run(name: str, status: Status, ended: int | None) -> Run:
    return Run(name, "a", "v", created_at=0, updated_at=0, due_at=0, status=status, finished_at=ended)


def test_who_goes_is_a_decision_on_values() -> None:
    runs = [
        run("late", Status.FAILED, 90),
        run("old", Status.SUCCEEDED, 10),
        run("live", Status.RUNNING, None),
        run("mid", Status.CANCELLED, 50),
        run("waits", Status.QUEUED, None),
    ]

    def gone(since: int, excess: int) -> tuple[list[str], int]:
        found, left = prunable(runs, since, excess, lambda _: 100)
        return [each.id for each in found], left

    assert gone(0, 0) == ([], 0)
    assert gone(11, -500) == (["old"], -600)
    assert gone(0, 1) == (["old"], -99)
    assert gone(0, 101) == (["old", "mid"], -99)
    assert gone(60, 250) == (["old", "mid", "late"], -50)
    assert gone(1000, 10**6)[0] == ["old", "mid", "late"]
    assert (Keep().days, Keep().bytes) == (30, 2 << 30)
    assert (Keep(days=0).since(99 * DAY), Keep(days=2).since(99 * DAY)) == (0, 97 * DAY)


async def test_runs_beyond_the_age_go_with_their_files(house: House) -> None:
    old = (await ran(house.engine, "echo")).run
    live = await submit(house.engine, "wait")
    assert old.finished_at is not None
    keep = house.retention(days=30)
    assert await keep.prune(old.finished_at + 30 * DAY) == 0
    assert await keep.prune(old.finished_at + 30 * DAY + 1) == 1
    assert await house.there() == [live]
    assert not house.files.journal(old.id).exists()
    assert await keep.prune(old.finished_at + 3000 * DAY) == 0
    await house.engine.cancel(live)


async def test_the_oldest_go_first_when_all_are_too_large(house: House) -> None:
    runs = [(await ran(house.engine, "count", "2000")).run.id for _ in range(4)]
    live = await submit(house.engine, "wait")
    rows = await house.engine.store.stored_sizes(runs)
    sizes = {run_id: house.files.size(run_id) + rows[run_id] for run_id in runs}
    assert min(sizes.values()) > 2000
    keep = house.retention(bytes=await house.used() - sizes[runs[0]] - 1)
    assert await keep.prune(clock.now()) == 2
    assert await house.there() == [live, runs[3], runs[2]]
    assert not house.files.journal(runs[0]).exists()
    assert await house.retention(bytes=1).prune(clock.now()) == 2
    assert await house.there() == [live]  # never one that is not final
    assert house.files.journal(live).exists()
    await house.engine.cancel(live)


async def test_prompts_and_inputs_count(house: House) -> None:
    runs = [(await ran(house.engine, "quick", "x" * 500_000)).run.id for _ in range(4)]
    row = (await house.engine.store.stored_sizes(runs))[runs[0]]
    used = await house.used()
    assert used > 4 * row > 4 * 500_000
    assert await house.retention(bytes=used).prune(clock.now()) == 0
    keep = house.retention(bytes=used - row * 3 // 2)
    assert await keep.prune(clock.now()) == 2
    assert await house.there() == runs[:1:-1]
    assert await house.used() < used - row * 3 // 2
    assert await keep.prune(clock.now()) == 0


async def test_a_kept_scratch_goes_when_its_time_is_over(house: House) -> None:
    shown = await ran(house.engine, "fail", retain_on_failure=True, retention_seconds=60)
    until, scratch = shown.run.scratch_until, house.files.folder(shown.run.id) / "scratch"
    assert (shown.scratch, scratch.is_dir()) == (True, True)
    assert shown.run.finished_at is not None
    assert until == shown.run.finished_at + 60_000_000
    keep = house.retention()
    await keep.expire(until - 1)
    assert scratch.is_dir()
    await keep.expire(until)
    after = await house.engine.get(shown.run.id)
    assert (after.scratch, scratch.exists(), after.run.status) == (False, False, Status.FAILED)
    assert house.files.journal(shown.run.id).exists()


async def test_files_without_a_row_go_when_nobody_holds_them(house: House) -> None:
    kept = (await ran(house.engine, "echo")).run.id
    for name in ("run_gone", "run_held"):
        os.close(house.files.create(name))
    (house.files.folder("run_gone") / "artifacts").mkdir(parents=True)
    holder = house.files.reopen("run_held")
    keep, at = house.retention(), clock.now()
    await keep.sweep(at)  # too young
    assert set(house.files.ids_on_disk()) == {kept, "run_gone", "run_held"}
    await keep.sweep(at + DAY)
    assert set(house.files.ids_on_disk()) == {kept, "run_held"}
    os.close(holder)
    await keep.sweep(at + DAY)
    assert set(house.files.ids_on_disk()) == {kept}


async def test_a_look_at_all_files_holds_a_few_names_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SCAN", 3)
    for number in range(10):
        os.close(house.files.create(f"run_{number}"))
        house.files.folder(f"run_{number}").mkdir()
    asked, store = [], house.engine.store
    known = store.known

    async def noted(run_ids: Collection[str]) -> set[str]:
        asked.append(len(run_ids))
        return await known(run_ids)

    monkeypatch.setattr(store, "known", noted)
    await house.retention().sweep(clock.now() + DAY)
    assert list(house.files.ids_on_disk()) == []
    assert max(asked) == 3


async def test_a_look_that_fails_is_logged_and_not_the_last(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("FIRST_PRUNE", "PRUNE_EVERY", "EXPIRE_EVERY"):
        monkeypatch.setattr(retention, name, 0)
    again, looks, loop = anyio.Event(), [], asyncio.get_running_loop()

    def usage(_: RunFiles) -> int:
        looks.append(1)
        if len(looks) == 1:
            raise RecursionError("too deep")
        loop.call_soon_threadsafe(again.set)
        return 0

    monkeypatch.setattr(RunFiles, "usage", usage)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.retention(bytes=1).serve)
        await again.wait()
        tasks.cancel_scope.cancel()
    assert "looking for old runs failed" in caplog.text
    assert "too deep" in caplog.text
