"""What a crash may not do, in its short forms; the long ones are in tests/proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .proof.kill_loop import KillLoop
from .proof.world import World, seed

KILLS = 8


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A real server that the test may kill."""
    with World(tmp_path, "--concurrency", "8") as made:
        made.start()
        yield made


def test_the_kill_loop(world: World) -> None:
    print(KillLoop(world, seed()).run(KILLS))
