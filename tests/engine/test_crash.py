"""What a crash may not do, in its short forms; the long ones are in tests/proof."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..proof import hostile
from ..proof.feed_loop import FeedLoop
from ..proof.kill_loop import KillLoop
from ..proof.same_key import same_key
from ..proof.shim_kills import kill_shims
from ..proof.stream_loop import StreamLoop
from ..proof.world import DEAF, World, seed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A real server that no test kills."""
    with World(tmp_path_factory.mktemp("kept"), "--concurrency", "8") as made:
        made.start()
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A real server that the test may kill."""
    with World(tmp_path, "--concurrency", "8") as made:
        made.start()
        yield made


@pytest.mark.scorecard(1, 2, 3, 8)
@pytest.mark.timeout(180)
def test_a_killed_server_loses_and_repeats_nothing(world: World) -> None:
    print(KillLoop(world, seed()).run(kills=3))


@pytest.mark.scorecard(21)
def test_a_viewer_who_is_cut_off_misses_nothing(world: World) -> None:
    print(StreamLoop(world, seed()).run(cuts=8, kills=2))


@pytest.mark.scorecard(21)
def test_a_client_of_all_runs_who_is_cut_off_knows_their_latest_states(world: World) -> None:
    figures = FeedLoop(world, seed()).run(runs=20, cuts=10, kills=1, resets=1)
    assert figures.removed > 0
    print(figures)


@pytest.mark.scorecard(12)
def test_a_killed_shim_is_a_lost_run(world: World) -> None:
    print(kill_shims(world, seed(), 3))


@pytest.mark.scorecard(17)
def test_one_key_is_one_run(world: World) -> None:
    print(same_key(world, seed(), 2))


@pytest.mark.scorecard(13)
@pytest.mark.parametrize("kind", DEAF)
def test_what_does_not_want_to_end_is_cancelled(kept: World, kind: str) -> None:
    hostile.cancel(kept, kind, hostile.Spread())


@pytest.mark.scorecard(13, 14)
def test_time_is_up_without_a_server(world: World) -> None:
    hostile.time_out(world, "stubborn", hostile.Spread(), dead=True)
