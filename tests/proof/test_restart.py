"""Scorecard 9: a server with much behind it and much alive is back at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.clock import now
from praisonrun.core.model import Exit, Outcome, Run, Status
from praisonrun.files.run_files import RunFiles
from praisonrun.store import Store

from .world import World

FINISHED, LIVE = 10_000, 50


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server that has room for all."""
    with World(tmp_path, "--concurrency", str(LIVE)) as made:
        yield made


async def finished(state: Path, count: int) -> None:
    """Put runs into a store as if they had run."""
    runs = RunFiles(state)
    async with Store.open(state) as store:
        await asyncio.gather(*(_one(store, runs, f"run_{number:026d}") for number in range(count)))


async def _one(store: Store, runs: RunFiles, run_id: str) -> None:
    at = now()
    run = Run(run_id, "worker", "v", at, at, at, prompt="x" * 500)
    run = lifecycle.claim(run, at, "boot", "c" * 16)
    await store.add(run, key=None, queue_limit=1_000_000)
    ended = Exit(1, "exited", code=0)
    await store.change(
        run_id,
        lambda run: lifecycle.finish(run, ended, Outcome(Status.SUCCEEDED), at, journal_end=64, summary=None),
    )
    runs.journal(run_id).touch(0o600)


@pytest.mark.scorecard(9)
@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_restart_with_much_behind_it(world: World, figure: Callable[[str], None]) -> None:
    world.state.mkdir(mode=0o700)
    asyncio.run(finished(world.state, FINISHED))
    world.start()
    gate = world.home / "gate"
    live = [world.submitted("gated", str(gate)) for _ in range(LIVE)]
    for run_id in live:
        world.until_printed(run_id, b"ready\n")
    times = []
    for _ in range(5):
        world.kill()
        begun = time.monotonic()
        world.start()
        healthy = time.monotonic() - begun
        listed = world.ask("GET", "/api/v1/runs?status=running&page_size=100").json
        times.append((healthy, time.monotonic() - begun))
        assert listed["total"] == LIVE
    gate.touch()
    for run_id in live:
        assert world.final(run_id)["status"] == "succeeded"
    assert not world.marked()
    first, listed_at = map(max, zip(*times, strict=True))
    figure(
        f"restart with {FINISHED} final and {LIVE} live runs, worst of {len(times)}: "
        f"first 200 after {first:.2f} s, all live runs listed after {listed_at:.2f} s"
    )
    assert first < 2
