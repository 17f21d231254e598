"""No figure falls out of all proportion to its floor, in the best of a few rounds.

The bounds are several times what is measured: a loaded machine stays within them, a mistake does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import feeds, noops, submits
from .place import Bench
from .rows import Row

pytestmark = pytest.mark.bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, rounds=3, scale=0.05)


def _ratios(rows: list[Row], name: str) -> list[float]:
    row = next(row for row in rows if row.name == name)
    return [ours / floor for ours, floor in zip(row.ours, row.floor, strict=True)]


async def test_a_durable_submit_costs_a_few_times_the_least(bench: Bench) -> None:
    assert max(_ratios(await submits.one(bench), "submit, 1 connection: rate")) >= 0.15


async def test_a_run_costs_a_few_times_its_process(bench: Bench) -> None:
    assert min(_ratios(await noops.unloaded(bench), "submit to final: p50")) <= 60


async def test_many_listeners_of_all_runs_cost_little_more_than_one(bench: Bench) -> None:
    assert min(_ratios(await feeds.feed(bench), "runs under 50 listeners of all")) <= 4
