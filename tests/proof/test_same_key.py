"""Scorecard 17: one key is one run, however many ask at once and whatever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .same_key import same_key
from .world import World, seed


@pytest.mark.scorecard(17)
@pytest.mark.proof
@pytest.mark.timeout(600)
def test_fifty_at_once_twenty_times(world: World, figure: Callable[[str], None]) -> None:
    figure(f"idempotency: {same_key(world, seed(), 20)}")
