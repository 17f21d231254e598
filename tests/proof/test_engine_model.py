"""Scorecard 18, 19: the engine against its model for minutes; see `tests/rigs/engine_model.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ..engine.test_model import explore
from ..rigs import fired
from ..rigs.engine_model import Engine
from ..rigs.engine_stories import STORIES, tell
from .world import seed

SECONDS = 180
CASES, STEPS = 100, 100
"""Of one round; each round has a seed of its own."""


@pytest.mark.proof
@pytest.mark.scorecard(18, 19)
@pytest.mark.timeout(3 * SECONDS)
def test_the_engine_does_what_its_model_says_for_long(figure: Callable[[str], None]) -> None:
    class Long(Engine):
        pass

    fired.counts.clear()
    give_up, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < give_up:
        explore(Long, CASES, STEPS, seed() + rounds)
        rounds += 1
    figure(
        f"engine against its model: {Long.cases} cases, {Long.steps} steps, {Long.changes} changes, "
        f"0 divergences, seeds {seed()} to {seed() + rounds - 1}; fired by chance: {fired.table()}"
    )
    for story in STORIES.values():
        tell(story)
    assert not fired.never(), f"never fired, so nothing is known of it: {fired.never()}"
