"""Scorecard 13, 14, 15: what does not want to end is gone in time, with a server and without."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import hostile
from .hostile import Spread
from .world import DEAF, World

TIMES = 20


@pytest.mark.scorecard(13)
@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", DEAF)
def test_cancelled(world: World, figure: Callable[[str], None], kind: str) -> None:
    spread = Spread()
    for _ in range(TIMES):
        hostile.cancel(world, kind, spread)
    assert not world.marked()
    figure(f"cancel x {TIMES}, {kind}: {spread}")


@pytest.mark.scorecard(13)
@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", DEAF)
def test_timed_out(world: World, figure: Callable[[str], None], kind: str) -> None:
    spread = Spread()
    for _ in range(TIMES):
        hostile.time_out(world, kind, spread, dead=False)
    assert not world.marked()
    figure(f"timeout x {TIMES}, {kind}: {spread}")


@pytest.mark.scorecard(13)
@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", DEAF)
def test_timed_out_without_a_server(world: World, figure: Callable[[str], None], kind: str) -> None:
    spread = Spread()
    for _ in range(TIMES // 4):
        hostile.time_out(world, kind, spread, dead=True)
    assert not world.marked()
    figure(f"timeout without a server x {TIMES // 4}, {kind}: {spread}")


@pytest.mark.scorecard(14)
@pytest.mark.proof
@pytest.mark.timeout(600)
def test_fifty_timeouts_are_on_time(world: World, figure: Callable[[str], None]) -> None:
    def one(_: int) -> float:
        run_id = world.submitted("slow", timeout=1)
        assert world.final(run_id)["failure"] == "timed_out"
        started, ended = hostile.bounds(world, run_id)
        return (ended - started) / 1e6 - 1

    with ThreadPoolExecutor(8) as pool:
        late = list(pool.map(one, range(50)))
    figure(f"50 timeouts of 1 s: {min(late):+.3f}..{max(late):+.3f} s late")
    assert min(late) >= 0
    assert max(late) <= 0.5


@pytest.mark.scorecard(15)
@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_grandchild_that_holds_stdout(world: World, figure: Callable[[str], None]) -> None:
    slowest = 0.0
    for _ in range(TIMES):
        begun = time.monotonic()
        run_id = world.submitted("leaver")
        assert world.final(run_id)["status"] == "succeeded"
        slowest = max(slowest, time.monotonic() - begun)
        assert world.logs(run_id) == b"left\npraisonrun: 1 process that it left was ended\n"
    assert not world.marked()
    figure(f"a grandchild holds stdout x {TIMES}: ended within {slowest:.2f} s")
    assert slowest <= 2.0
