"""kill -9 of the server while conversations have several runs: these take turns, and nothing said is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..rigs.talkers import Talks
from .session_loop import SessionLoop
from .world import World, seed

TRIES = 100


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_a_hundred_conversations_under_kills(tmp_path: Path, figure: Callable[[str], None]) -> None:
    talks = Talks(tmp_path / "talks")
    with World(tmp_path, "--concurrency", "8") as world:
        talks.agents(world.agents)
        world.start()
        figure(f"sessions: {SessionLoop(world, talks, seed()).run(TRIES)}")
