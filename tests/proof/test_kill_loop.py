"""Scorecard 1, 2, 3, 8: kill -9 of the server at random moments under load loses and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .kill_loop import KillLoop
from .world import World, seed

KILLS = 200


@pytest.mark.scorecard(1, 2, 3, 8)
@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_two_hundred_kills(world: World, figure: Callable[[str], None]) -> None:
    figure(f"kill loop: {KillLoop(world, seed()).run(KILLS)}")
