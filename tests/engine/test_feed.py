"""The history of all runs says what clients see of them, no more and no less, whatever lies in rows."""

from __future__ import annotations

import asyncio

import pytest

from praisonrun.core.model import Run
from praisonrun.engine.context import Live
from praisonrun.engine.engine import Engine
from praisonrun.engine.supervisor import Supervisor
from praisonrun.store import writes

from ..rigs.harness import Engines, pid_of, ran, submit


async def told(engine: Engine, rev: int, until: str) -> tuple[list[str], int]:
    """Return the statuses that the history tells after a rev, up to one, and the rev then."""
    seen = list[str]()
    while until not in seen:
        bell = engine.feed.bell()
        window = await engine.feed.after(rev)
        seen += [each.shown.visible_status if each.shown else "removed" for each in window.changes]
        rev = window.next
        if not window.changes:
            await bell.wait()
    return seen, rev


async def test_a_start_is_told_though_no_row_has_it(engine: Engine) -> None:
    run_id = await submit(engine, "wait")
    seen, rev = await told(engine, 0, "running")
    assert seen in (["queued", "running"], ["running"])
    await pid_of(engine, run_id)
    assert (await engine.feed.after(rev)).changes == []  # once
    await engine.cancel(run_id)
    seen, rev = await told(engine, rev, "cancelled")
    assert set(seen) <= {"running", "cancelled"}
    await engine.delete(run_id)
    assert await told(engine, rev, "removed") == (["removed"], await engine.feed.now())


async def test_a_client_that_was_away_over_a_restart_sees_no_older_state(engines: Engines) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "wait")
        _, rev = await told(engine, 0, "running")
    async with engines() as engine:
        assert set((await told(engine, 0, "running"))[0]) == {"running"}
        await engine.cancel(run_id)
        assert set((await told(engine, rev, "cancelled"))[0]) <= {"running", "cancelled"}


async def test_an_end_is_told_once_the_run_has_left(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, leave = asyncio.Event(), asyncio.Event()

    async def clear(_self: Supervisor, _live: Live, _run: Run) -> None:
        stored.set()
        await leave.wait()

    monkeypatch.setattr(Supervisor, "_clear", clear)
    rev = await engine.feed.now()
    run_id = await submit(engine, "quick")
    await stored.wait()
    ended = (await engine.store.get(run_id)).status
    assert (ended, (await engine.get(run_id)).visible_status) == ("succeeded", "running")
    window, now = await engine.feed.after(rev), await engine.feed.now()
    assert window.changes == []
    assert window.next == now < (await engine.store.changed_since(rev, 9)).last
    bell = engine.feed.bell()
    leave.set()
    await bell.wait()
    await engine.until_final(run_id)
    assert (await told(engine, now, "succeeded"))[0] == ["succeeded"]


async def test_what_cannot_be_continued_is_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "REMOVED", 0)
    shown = await ran(engine, "quick")
    await engine.delete(shown.run.id)
    await engine.store.forget_removed(1 << 60)
    now = await engine.feed.now()
    assert (await engine.feed.after(now + 1)).reset == "ahead"
    assert (await engine.feed.after(now - 1)).reset == "too_old"
    assert (await engine.feed.after(now)).reset == ""
