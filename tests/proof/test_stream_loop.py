"""Scorecard 21: a viewer who is cut off at any byte loses nothing and sees nothing twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .stream_loop import StreamLoop
from .world import World, seed


@pytest.mark.scorecard(21)
@pytest.mark.proof
@pytest.mark.timeout(600)
def test_two_hundred_disconnects(world: World, figure: Callable[[str], None]) -> None:
    figure(f"stream: {StreamLoop(world, seed()).run(cuts=200, kills=25)}")
