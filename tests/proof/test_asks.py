"""kill -9 of the server while agents ask: no question and no answer is lost, kept or told twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .ask_loop import AskLoop
from .permission_loop import PermissionLoop
from .world import World, seed

KILLS = 100


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_hundred_kills_with_questions_open(world: World, figure: Callable[[str], None]) -> None:
    figure(f"questions: {AskLoop(world, seed()).run(KILLS)}")


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_fifty_kills_with_permissions_asked_for(world: World, figure: Callable[[str], None]) -> None:
    figure(f"permissions: {PermissionLoop(world, seed()).run(KILLS // 2)}")
