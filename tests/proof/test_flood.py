"""Scorecard 16: an agent that prints without end fills neither memory nor the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil
import pytest

from praisonrun.journal.format import Kind
from praisonrun.process.spec import OUTPUT_CAP

from .world import World

MB = 1 << 20


FLOODS = {
    "text": ("flood", "~", 5_000_000_000, 65500),
    "tiny lines": ("lines", "{}", 500_000_000, 3 * 4096),
    "tiny events": ("lines", '{"type":"delta","text":"x"}', 500_000_000, 28 * 4096),
}
"""The agent, its line, how much it prints, and how much of that in one go."""


@pytest.mark.scorecard(16)
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood(world: World, figure: Callable[[str], None], kind: str) -> None:
    agent, line, total, size = FLOODS[kind]
    world.patience = 300.0  # millions of lines are read back
    times, gate = total // size, world.home / "gate"
    world.final(world.submitted("true"))
    before = world.memory("VmRSS")
    os.mkfifo(f"{gate}.fifo")
    begun = time.monotonic()
    run_id = world.submitted(agent, f"{line} {times} {gate}")
    world.until_printed(run_id, b"\n")
    shim = psutil.Process(world.tail(run_id)["shim"])
    family = shim.children()
    with open(f"{gate}.fifo", "rb") as printed:  # the agent opens it when it has printed all
        printed.read()
    peak = world.memory(pid=shim.pid)
    gate.touch()
    shown = world.over(run_id)
    seconds = time.monotonic() - begun
    grown = world.memory() - before
    assert (shown["exit_code"], shown["failure"]) == (0, None if kind == "text" else "no_result")
    result = world.ask("GET", f"/api/v1/runs/{run_id}/result").json
    with_result = world.memory() - before
    tail = world.ask("GET", f"/api/v1/runs/{run_id}/logs?tail=10").body
    with_tail = world.memory() - before
    size_on_disk = (world.state / "runs" / f"{run_id}.journal").stat().st_size
    kept = world.frames(run_id)
    assert tail.count(b"\n") == 10
    assert kept[Kind.DROPPED] > 0
    assert result["metrics"]["stdout_bytes"] == times * size
    assert result["metrics"]["dropped_bytes"] == times * size - kept[Kind.STDOUT]
    assert not any(child.is_running() for child in family)
    figure(
        f"{times * size / 1e9:.1f} GB ({kind}): {seconds:.1f} s, server +{grown / MB:.1f} MB, after result "
        f"+{with_result / MB:.1f}, after tail +{with_tail / MB:.1f}, shim {peak / MB:.1f} MB at most, "
        f"file {size_on_disk / MB:.1f} MB"
    )
    assert size_on_disk <= OUTPUT_CAP + MB
    assert peak < 20 * MB
    assert with_tail < 20 * MB
