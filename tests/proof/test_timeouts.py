"""Scorecard 14: time is up while no server lives: on time, and the deaf are gone soon after their grace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .hostile import begun, bounds, gone
from .world import GRACE, World

TOGETHER, ROUNDS, SECONDS = 10, 5, 2

pytestmark = [pytest.mark.proof, pytest.mark.scorecard(14), pytest.mark.timeout(300)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server that has room for a round."""
    with World(tmp_path, "--concurrency", str(TOGETHER)) as made:
        made.start()
        yield made


def lateness(world: World, agent: str, *, dead: bool) -> list[float]:
    """Let the time of many runs be up; return how many seconds later each was over, all of it."""
    late = []
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(TOGETHER) as pool:
            runs = list(pool.map(lambda _: begun(world, agent, SECONDS), range(TOGETHER)))
        if dead:
            world.kill()
        now = time.time_ns() // 1000
        for run_id, _ in runs:
            world.until_let_go(run_id)
        for run_id, family in runs:
            gone(world, run_id, family)
            started, ended = bounds(world, run_id)
            assert started + SECONDS * 1_000_000 > now, "its time was up before the server was dead"
            late.append((ended - started) / 1e6 - SECONDS)
        if dead:
            world.start()
        for run_id, _ in runs:
            shown = world.final(run_id)
            assert (shown["status"], shown["failure"]) == ("failed", "timed_out"), shown
    return late


def test_without_a_server(world: World, figure: Callable[[str], None]) -> None:
    late = lateness(world, "slow", dead=True)
    figure(f"{len(late)} timeouts of {SECONDS} s without a server: {min(late):+.3f}..{max(late):+.3f} s late")
    assert min(late) >= 0
    assert max(late) <= 0.5


@pytest.mark.parametrize("dead", [False, True], ids=["a server", "no server"])
def test_the_deaf(world: World, figure: Callable[[str], None], dead: bool) -> None:
    late = lateness(world, "stubborn", dead=dead)
    where = "without a server" if dead else "with one"
    figure(f"{len(late)} deaf ones {where}, grace {GRACE} s: gone {min(late):.3f}..{max(late):.3f} s late")
    assert min(late) >= GRACE
    assert max(late) <= GRACE + 1
