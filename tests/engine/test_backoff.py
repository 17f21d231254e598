"""The pause between two attempts: it ends when it should, and a cancel ends it at once."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from praisonrun.core import clock
from praisonrun.core.model import Status
from praisonrun.engine import scheduler
from praisonrun.engine.engine import Engine

from ..rigs.harness import engine_in, ran, submit, until


async def test_a_retry_that_becomes_due_while_the_queue_is_looked_at_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock finds it a second later: the run is due just after the claim that missed it."""
    ticks = count(1_700_000_000_000_000, 1_000_000)
    monkeypatch.setattr(clock, "now", lambda: next(ticks))
    agents = tmp_path / "agents.yaml"
    agents.write_text("agents:\n  late: {command: [/bin/false], prompt: none, retries: 1, backoff: 1.5}\n")
    async with engine_in(tmp_path / "state", agents) as engine:
        assert (await ran(engine, "late")).run.attempt == 2


async def test_a_retry_that_was_cancelled_in_its_pause_keeps_its_journal(engine: Engine) -> None:
    """The row knows the journal's end while no attempt runs, so a cancel needs no look at the file."""
    run_id = await submit(engine, "fail", retries=3)
    pausing = (await until(engine, run_id, lambda shown: shown.run.attempt == 1 and shown.phase is None)).run
    assert (pausing.status, pausing.journal_end is None) == (Status.QUEUED, False)
    done = (await engine.cancel(run_id)).run
    assert (done.status, done.attempt, done.journal_end) == (Status.CANCELLED, 1, pausing.journal_end)


@pytest.mark.parametrize("days", [-40, -1, 1, 40])
async def test_a_clock_that_is_set_delays_no_retry_and_turns_no_times_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The clock is set in the pause before the second attempt, and back again after a restart."""
    right, offset = clock.now, [0]
    monkeypatch.setattr(clock, "now", lambda: right() + offset[0])
    monkeypatch.setattr(scheduler, "LOOK", 0.5)  # half a minute: how long a pause may be too long
    agents, state = tmp_path / "agents.yaml", tmp_path / "state"
    agents.write_text("agents:\n  late: {command: [/bin/false], prompt: none, retries: 2, backoff: 0.5}\n")
    async with engine_in(state, agents) as engine:
        run_id = await submit(engine, "late")
        await until(engine, run_id, lambda shown: shown.run.attempt == 1 and shown.phase is None)
        offset[0] = days * 86_400_000_000
        await until(engine, run_id, lambda shown: shown.run.attempt == 2 and shown.phase is None)
    offset[0] = -offset[0]
    async with engine_in(state, agents) as engine:
        fresh, run = await ran(engine, "late", retries=0), (await engine.until_final(run_id)).run
    assert (run.attempt, run.duration is not None and run.duration < 60_000_000) == (3, True)
    for done in (run, fresh.run):
        assert done.created_at <= (done.started_at or 0) <= (done.finished_at or 0) <= done.updated_at
