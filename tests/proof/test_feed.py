"""The stream of all runs: whoever is cut off at any byte has every run's latest state in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .feed_loop import FeedLoop
from .world import World, seed


@pytest.mark.scorecard(21)
@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_thousand_runs_under_a_client_that_is_cut_off(world: World, figure: Callable[[str], None]) -> None:
    figures = FeedLoop(world, seed()).run(runs=1000, cuts=200, kills=20, resets=10)
    assert figures.runs >= 1000
    assert (figures.cuts, figures.kills, figures.resets) >= (200, 20, 10)
    assert figures.removed > 0
    assert figures.live > 0
    figure(f"stream of all runs: {figures}")
