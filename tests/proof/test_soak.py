"""Scorecard 31: a steady load for half an hour, and nothing grows but what is stored."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .soak import WAL_LIMIT, Soak, grown
from .world import World, seed

MINUTES = float(os.environ.get("PRAISONRUN_SOAK") or 30)
EVERY = 5.0
"""Seconds between two samples."""
GROWTH = 0.02

pytestmark = [
    pytest.mark.proof,
    pytest.mark.scorecard(31),
    pytest.mark.timeout(60 * MINUTES + 300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]


def test_nothing_grows_but_what_is_stored(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with World(tmp_path) as world:
        world.start()
        soak = Soak(world, 60 * MINUTES, EVERY)
        soak.run()
        grown = soak.growth()
        figure(
            f"soak, {MINUTES:g} min, {soak.runs} runs, {soak.told} webhooks, {len(soak.samples)} samples: "
            f"{'; '.join(map(str, grown))}; -wal at most {soak.wal / 1e6:.1f} MB; "
            f"lasting zombies {soak.lasting_zombies}; {soak.disk() / soak.runs:.0f} bytes stored a run"
        )
        assert [str(one) for one in grown if one.share > GROWTH] == []
        assert soak.wal <= WAL_LIMIT
        assert soak.lasting_zombies == 0
        assert world.integrity() == "ok"


def test_what_grows_is_seen_and_noise_is_not() -> None:
    chance = random.Random(seed())
    noise = [(5.0 * at, 20.0 + (chance.random() < 0.2)) for at in range(300)]
    leak = [(at, found + at / 1000) for at, found in noise]
    assert grown("fds", noise).share <= GROWTH < grown("fds", leak).share
