"""Scorecard 12: a killed shim is a lost run, soon, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .shim_kills import kill_shims
from .world import World, seed


@pytest.mark.scorecard(12)
@pytest.mark.proof
@pytest.mark.timeout(600)
def test_fifty_killed_shims(world: World, figure: Callable[[str], None]) -> None:
    figure(f"shims: {kill_shims(world, seed(), 50)}")
