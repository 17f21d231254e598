"""The benchmarks work, and nothing is out of all proportion to its floor. Ratios only: machines differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import fans, live, noops, reads, stalls, starts, stored, streams, submits
from .place import Bench
from .rows import Row

pytestmark = pytest.mark.proof


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, rounds=3, scale=0.1)


def _ratios(rows: list[Row]) -> dict[str, float]:
    return {row.name: row.ratio for row in rows if row.ratio is not None}


async def test_submits_keep_up_with_the_least_durable_server(bench: Bench) -> None:
    assert _ratios(await submits.many(bench))["submit, 32 connections: rate"] >= 0.3
    assert _ratios(await submits.one(bench))["submit, 1 connection: rate"] >= 0.3


async def test_a_run_costs_a_few_processes(bench: Bench) -> None:
    assert _ratios(await noops.unloaded(bench))["submit to final: p50"] <= 20
    assert all(row.ratio is not None and row.ratio <= 20 for row in await noops.sustained(bench))


async def test_a_stream_begins_soon(bench: Bench) -> None:
    assert _ratios(await streams.first(bench))["first event of a stream: p50"] <= 15


async def test_looking_costs_a_few_times_the_least(bench: Bench) -> None:
    rates = {
        name: ratio for name, ratio in _ratios(await reads.reads(bench)).items() if name.endswith("rate")
    }
    assert all(ratio >= 0.02 for ratio in rates.values())


async def test_what_is_over_costs_next_to_nothing(bench: Bench) -> None:
    rows = await stored.stored(bench)
    told = [row for row in rows if any(goal.of == "ratio" for goal in row.goals)]
    assert len(told) >= 10
    assert all(row.ratio is not None and row.ratio <= 3 for row in told)
    searches = [row for row in rows if row not in told]
    assert len(searches) == 2
    assert all(row.holds for row in searches), "a search reads what is stored: its bound is a time"


@pytest.mark.timeout(120)
async def test_many_live_runs_survive_the_server_and_end(bench: Bench) -> None:
    rows = {row.name.partition(": ")[2]: row for row in await live.live(bench)}
    assert rows["lost, or left over"].figure == 0
    assert rows["private memory of each"].figure <= 4
    ratio = rows["no-op, submit to final: p50"].ratio
    assert ratio is not None
    assert ratio <= 4


async def test_a_fat_output_and_deaf_viewers_hold_nobody_up(bench: Bench) -> None:
    assert _ratios(await stalls.stall(bench))["answer while fat output is watched: p50"] <= 30
    assert all(ratio >= 0.4 for ratio in _ratios(await fans.stalled(bench)).values())


async def test_the_server_starts_about_as_fast_as_its_libraries(bench: Bench) -> None:
    assert all(ratio <= 6 for ratio in _ratios(await starts.start(bench)).values())
