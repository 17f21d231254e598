"""What is too old goes, and nothing else: ages, sizes, kept scratch directories, files without a row."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from praisonrun.core import clock
from praisonrun.core.delivery import Reach
from praisonrun.core.errors import Unavailable
from praisonrun.core.model import Run, Status
from praisonrun.engine import retention
from praisonrun.engine.ages import Ages
from praisonrun.engine.engine import Engine
from praisonrun.engine.retention import Keep, Retention, prunable
from praisonrun.files import scratch
from praisonrun.files.run_files import RunFiles
from praisonrun.store import Find

from ..rigs.harness import ran, submit

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


class House(NamedTuple):
    engine: Engine
    files: RunFiles

    def retention(self, later: int = 0, set_by: int = 0, **keep: int) -> Retention:
        """Return a retention for which some time has passed, and the clock was set."""
        now, ticks = lambda: clock.now() + later + set_by, lambda: clock.ticks() + later
        ages = Ages(self.files.root.parent, "boot", now, ticks)
        return Retention(self.engine.store, self.files, ages, Keep(**{"days": 0, "bytes": 0, **keep}))

    async def sizes(self, *runs: str) -> list[int]:
        """Return what some runs take, with their rows."""
        rows = await self.engine.store.stored_sizes(runs)
        return [self.files.size(run_id) + rows[run_id] for run_id in runs]

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
        run("mid", Status.CANCELLED, 50),
    ]
    sizes = dict.fromkeys(("late", "old", "mid"), 100)

    def gone(since: int, excess: int) -> tuple[list[str], int]:
        found, left = prunable(runs, lambda each: (each.finished_at or 0) < since, excess, sizes)
        return [each.id for each in found], left

    assert gone(0, 0) == ([], 0)
    assert gone(11, -500) == (["old"], -600)
    assert gone(0, 1) == (["old"], -99)
    assert gone(0, 101) == (["old", "mid"], -99)
    assert gone(60, 250) == (["old", "mid", "late"], -50)
    assert gone(1000, 10**6)[0] == ["old", "mid", "late"]
    assert (Keep().days, Keep().bytes) == (30, 2 << 30)


async def test_runs_beyond_the_age_go_with_their_files(house: House) -> None:
    old = (await ran(house.engine, "echo")).run
    live = await submit(house.engine, "wait")
    assert await house.retention(30 * DAY - HOUR, days=30).prune() == 0
    assert await house.retention(30 * DAY, days=30).prune() == 1
    assert await house.there() == [live]
    assert not house.files.journal(old.id).exists()
    assert await house.retention(3000 * DAY, days=30).prune() == 0
    await house.engine.cancel(live)


async def test_a_journal_that_cannot_be_removed_keeps_its_run_and_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, _ = [(await ran(house.engine, "echo")).run.id for _ in range(2)]
    unlink = os.unlink

    def failing(path: str | Path, **where: Any) -> None:
        if Path(path) == house.files.journal(stuck):
            raise OSError(errno.EIO, "Input/output error")
        unlink(path, **where)

    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(Unavailable, match="cannot be removed: input/output error"):
        await house.engine.delete(stuck)
    assert await house.retention(30 * DAY, days=30).prune() == 1
    assert await house.there() == [stuck]
    assert f"run {stuck} could not be removed: input/output error" in caplog.text
    monkeypatch.undo()
    assert await house.retention(30 * DAY, days=30).prune() == 1


async def test_the_oldest_go_first_when_all_are_too_large(house: House) -> None:
    runs = [(await ran(house.engine, "count", "2000")).run.id for _ in range(4)]
    live = await submit(house.engine, "wait")
    sizes = await house.sizes(*runs)
    assert min(sizes) > 2000
    assert await house.retention(HOUR, bytes=sum(sizes)).prune() == 0
    assert await house.retention(bytes=1).prune() == 0  # they are minutes old
    assert await house.retention(HOUR, bytes=sum(sizes) - sizes[0] - 1).prune() == 2
    assert await house.there() == [live, runs[3], runs[2]]
    assert not house.files.journal(runs[0]).exists()
    assert await house.retention(HOUR, bytes=1).prune() == 2
    assert await house.there() == [live]  # never one that is not final
    assert house.files.journal(live).exists()
    await house.engine.cancel(live)


async def test_prompts_and_inputs_count(house: House) -> None:
    runs = [(await ran(house.engine, "quick", "x" * 500_000)).run.id for _ in range(4)]
    used = await house.sizes(*runs)
    assert min(used) > 500_000
    assert await house.retention(HOUR, bytes=sum(used)).prune() == 0
    most = sum(used[1:]) - used[0] // 2
    assert await house.retention(HOUR, bytes=most).prune() == 2
    assert await house.there() == runs[:1:-1]
    assert await house.retention(HOUR, bytes=most).prune() == 0


def fill(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "much").write_bytes(b"x" * 2_000_000)


@pytest.mark.parametrize("whose", ["live", "queued", "owed", "young", "stranger", "held stranger"])
async def test_what_cannot_go_makes_nothing_else_go(house: House, whose: str) -> None:
    engine, files = house.engine, house.files
    runs = [(await ran(engine, "quick")).run.id for _ in range(3)]
    other, holder = "run_other", None
    if whose == "live":
        other = await submit(engine, "wait")
    elif whose == "queued":
        busy = await submit(engine, "one", "/no/such")
        other = await submit(engine, "one", "/no/such")
    elif whose in ("owed", "young"):
        hook = (
            {"webhook_url": "http://127.0.0.1:9/", "webhook_reach": Reach.LOOPBACK} if whose == "owed" else {}
        )
        other = (await ran(engine, "quick", **hook)).run.id
    else:
        os.close(files.create(other))
        holder = files.reopen(other) if whose == "held stranger" else None
    fill(files.folder(other) / "scratch")
    keep = house.retention(HOUR, bytes=1_000_000)
    if whose == "young":
        await engine.store._writer.run(
            lambda db: db.execute(
                "UPDATE runs SET finished_at = finished_at - ? WHERE id <> ?", (HOUR, other)
            )
        )
        keep = house.retention(bytes=1_000_000)
    assert await keep.prune() == 0
    assert set(runs) < set(await house.there()) | {other}
    await engine.cancel_live()
    if whose == "queued":
        assert busy
        await engine.cancel(other)
    if holder is not None:
        os.close(holder)


async def test_a_kept_scratch_goes_when_its_time_is_over(house: House) -> None:
    shown = await ran(house.engine, "fail", retain_on_failure=True, retention_seconds=60)
    until, scratch = shown.run.scratch_until, house.files.folder(shown.run.id) / "scratch"
    assert (shown.scratch, scratch.is_dir()) == (True, True)
    assert shown.run.finished_at is not None
    assert until == shown.run.finished_at + MINUTE
    await house.retention().expire()
    assert scratch.is_dir()
    await house.retention(MINUTE).expire()
    after = await house.engine.get(shown.run.id)
    assert (after.scratch, scratch.exists(), after.run.status) == (False, False, Status.FAILED)
    assert house.files.journal(shown.run.id).exists()


async def test_a_scratch_that_may_not_go_yet_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 1)
    kept = {
        seconds: (await ran(house.engine, "fail", retain_on_failure=True, retention_seconds=seconds)).run.id
        for seconds in (7200, 3600, 1)
    }
    house.retention()  # has seen the clock
    await house.retention(HOUR + MINUTE, set_by=40 * DAY).expire()
    left = {seconds for seconds, run_id in kept.items() if (house.files.folder(run_id) / "scratch").exists()}
    assert left == {7200}


async def test_nothing_goes_because_a_clock_was_set(house: House) -> None:
    """The clock is set on by 14 years; the server may have been restarted meanwhile."""
    run_id = (await ran(house.engine, "fail", retain_on_failure=True, retention_seconds=60)).run.id
    os.close(house.files.create("run_orphan"))
    house.retention()  # has seen the clock
    years = 14 * 365 * DAY
    for later, set_by in ((0, years), (MINUTE // 2, years), (MINUTE // 2, 0), (MINUTE // 2, -DAY)):
        keep = house.retention(later, set_by, days=30, bytes=1)
        await keep.expire()
        await keep.prune()
        await keep.sweep()
        assert await house.there() == [run_id]
        assert (house.files.folder(run_id) / "scratch").is_dir()
        assert house.files.journal("run_orphan").exists()


async def test_files_without_a_row_go_when_nobody_holds_them(house: House) -> None:
    kept = (await ran(house.engine, "echo")).run.id
    for name in ("run_gone", "run_held"):
        os.close(house.files.create(name))
    (house.files.folder("run_gone") / "artifacts").mkdir(parents=True)
    holder = house.files.reopen("run_held")
    await house.retention().sweep()  # too young
    assert set(house.files.ids_on_disk()) == {kept, "run_gone", "run_held"}
    await house.retention(DAY).sweep()
    assert set(house.files.ids_on_disk()) == {kept, "run_held"}
    os.close(holder)
    await house.retention(DAY).sweep()
    assert set(house.files.ids_on_disk()) == {kept}


async def test_a_journal_that_the_database_never_knew_is_kept_and_named(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an older database was restored. What was removed leaves no such journal."""
    runs = [(await ran(house.engine, "echo")).run.id for _ in range(3)]
    journal = house.files.journal(runs[0])
    text = journal.read_bytes()
    await house.engine.delete(runs[0])
    journal.write_bytes(text)  # a crash between a service's row and its files
    forget = "DELETE FROM runs WHERE id = ?"
    await house.engine.store._writer.run(lambda db: db.execute(forget, (runs[1],)))
    keep = house.retention(DAY)
    await keep.sweep()
    await keep.sweep()
    assert set(house.files.ids_on_disk()) == set(runs[1:])
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(f"{house.files.journal(runs[1])}, perhaps beside others, is of no run")


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
    await house.retention(DAY).sweep()
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


async def test_the_scratch_of_a_run_that_is_gone_goes(house: House, tmp_path: Path) -> None:
    """As when somebody removed its folder, or a whole state directory."""
    link = tmp_path / "gone" / "scratch"
    link.parent.mkdir()
    place, held = scratch.make(str(link), house.files.scratch_places(house.engine.store.id, "gone"))
    os.close(held)
    await house.retention(2 * HOUR).sweep()
    assert Path(place).is_dir()
    link.unlink()
    await house.retention(HOUR // 2).sweep()
    assert Path(place).is_dir()
    await house.retention(2 * HOUR).sweep()
    assert not os.path.lexists(place)
