"""Scorecard 1, 2, 8, 12: whatever is killed, and whoever looks at a copy, nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .mixed_kills import MixedKills
from .world import World, seed

ROUNDS = 120


@pytest.mark.scorecard(1, 2, 8, 12)
@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_kills_of_everything_with_copies_and_moves(world: World, figure: Callable[[str], None]) -> None:
    loop = MixedKills(world, seed())
    came = loop.run(ROUNDS)
    assert len(loop.fired) == 6, loop.fired
    figure(f"mixed kills: {dict(loop.fired)}, {len(loop.killed)} shims; {came}")
