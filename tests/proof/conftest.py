"""Fixtures of the proofs: a world, and a line that says what was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .world import World


@pytest.fixture
def figure(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print what a proof came to, past pytest's capture."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\nfigure: {text}")

    return say


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A real server that the proof may kill."""
    with World(tmp_path, "--concurrency", "8") as made:
        made.start()
        yield made
