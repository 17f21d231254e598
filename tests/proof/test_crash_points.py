"""Scorecard 6, 8: kill -9 at every system call of what a server, a shim and the spawner do harms no run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..rigs.zoo import Receiver, answer
from .crash_operations import Attempt, Delete, Deliver, Finish, HandOver, Kept, Prune, Start, Submit, Tree
from .crash_points import CutWorld, Every, Operation

pytestmark = [pytest.mark.proof, pytest.mark.scorecard(6, 8), pytest.mark.timeout(600)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CutWorld]:
    with CutWorld(tmp_path) as made:
        made.start()
        yield made


def cut(operation: Operation, figure: Callable[[str], None]) -> None:
    begun = time.monotonic()
    figures = Every(operation, operation.world.home / "calls").run()
    ends = f"; runs ended {dict(operation.ends)}" if operation.ends else ""
    figure(f"{type(operation).__name__.lower()}, {figures}{ends}; {time.monotonic() - begun:.0f} s")


@pytest.mark.parametrize("kind", [Submit, Start, Finish, Prune, Attempt, HandOver, Tree, Kept])
def test_every_point(world: CutWorld, kind: type[Operation], figure: Callable[[str], None]) -> None:
    cut(kind(world), figure)


@pytest.mark.parametrize("kind", [Deliver, Delete])
def test_every_point_of_what_owes_a_webhook(
    world: CutWorld, kind: type[Deliver], figure: Callable[[str], None]
) -> None:
    with Receiver(answer()) as receiver:
        cut(kind(world, receiver), figure)
