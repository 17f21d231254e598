"""Fixtures of the proofs: a world, and time."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World


@pytest.fixture(autouse=True)
def _no_alarm() -> None:
    """A proof takes its time: pytest's dump of a slow test's threads would be noise."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A real server that the proof may kill."""
    with World(tmp_path, "--concurrency", "8") as made:
        made.start()
        yield made
