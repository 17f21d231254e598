"""What changed after a rev: the latest state of each run, removals too, in windows that leave nothing out."""

from __future__ import annotations

import pytest

from praisonrun.core import clock, lifecycle
from praisonrun.store import Store, changes, writes

from .test_removed import add


async def ids(store: Store, rev: int = 0, limit: int = 100) -> list[tuple[str, bool]]:
    """Return what changed after a rev: the id, and whether the run is there."""
    return [(change.id, change.run is not None) for change in (await store.changed_since(rev, limit)).found]


async def test_each_run_is_told_once_by_its_latest_state(store: Store) -> None:
    await add(store, "run_1", "run_2", "run_3", final=False)
    first = await store.changed_since(0, 100)
    assert [change.id for change in first.found] == ["run_1", "run_2", "run_3"]
    assert first.next == first.last == await store.rev_before([])
    await store.change("run_1", lambda run: lifecycle.cancel(run, 7))
    await store.change("run_2", lambda run: lifecycle.cancel(run, 8))
    await store.delete("run_1")
    news = await store.changed_since(first.next, 100)
    assert [(each.id, each.run and each.run.finished_at) for each in news.found] == [
        ("run_2", 8),
        ("run_1", None),
    ]
    assert await ids(store) == [("run_3", True), ("run_2", True), ("run_1", False)]
    assert await ids(store, news.next) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_windows_leave_nothing_out(store: Store, limit: int) -> None:
    names = [f"run_{number}" for number in range(8)]
    await add(store, *names)
    for number in (1, 4, 2, 7):
        await store.delete(names[number])
        await add(store, f"more_{number}")
    whole, seen, rev = await ids(store), list[tuple[str, bool]](), 0
    while (window := await store.changed_since(rev, limit)).found:
        assert len(window.found) <= limit
        assert all(rev < change.rev <= window.next for change in window.found)
        seen += [(change.id, change.run is not None) for change in window.found]
        rev = window.next
    assert seen == whole
    assert rev == window.last


async def test_a_window_of_large_rows_ends_early(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BYTES", 1)
    await add(store, "run_1", "run_2")
    await store.delete("run_1")
    await add(store, "run_3")
    assert await ids(store) == [("run_2", True)]
    second = await store.changed_since((await store.changed_since(0, 100)).next, 100)
    assert [change.id for change in second.found] == ["run_1", "run_3"]


async def test_what_was_forgotten_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "REMOVED", 0)
    await add(store, "run_1", "run_2")
    await store.delete("run_1")
    last = (await store.changed_since(0, 100)).last
    await store.forget_removed(clock.now() + 1)
    after = await store.changed_since(0, 100)
    assert (after.floor, after.last) == (last, last)


async def test_a_run_whose_end_is_stored_bounds_what_is_known(store: Store) -> None:
    await add(store, "run_1", "run_2", "run_3")
    revs = {change.id: change.rev for change in (await store.changed_since(0, 100)).found}
    assert await store.rev_before(["run_2", "run_3", "run_9"]) == revs["run_2"] - 1
    await add(store, "run_4", final=False)
    await store.touch(["run_4", "run_1"])  # neither is running
    assert await ids(store, revs["run_3"]) == [("run_4", True)]
