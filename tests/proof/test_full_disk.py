"""Scorecard 10: a full disk refuses submits and nothing else, and is over when there is space again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from praisonrun.journal.format import Kind

from .full_disk import Filler, is_full, small_disk
from .world import Answer, World

RUNNING = 6


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server whose state directory is a disk of 16 MB."""
    with small_disk(tmp_path / "state", 16), World(tmp_path, "--concurrency", "8") as made:
        made.start()
        yield made


@pytest.mark.scorecard(8, 10)
@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("left", [0, 4096, 40_000, 200_000])
def test_a_full_disk(world: World, figure: Callable[[str], None], left: int) -> None:
    gate = world.home / "gate"
    done = world.submitted("worker", "5 20 0 0 bytes")
    world.final(done)
    printed = world.logs(done)
    running = [world.submitted("gated", str(gate)) for _ in range(RUNNING)]
    for run_id in running:
        world.until_printed(run_id, b"ready\n")
    filler = Filler(world)
    filler.fill(left)
    # Whatever is left goes to submits, until there is nothing.
    taken: list[str] = []
    while (answer := submit(world)).status == 202:
        taken.append(answer.json["job_id"])
    for _ in range(20):
        answer = submit(world)
        assert answer.status in (202, 507), answer
        if answer.status == 507:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["status"] == 507
            assert int(answer.headers["retry-after"]) > 0
    for path in (
        "",
        f"/{done}",
        f"/{done}/result",
        f"/{running[0]}",
        f"/{done}/events",
        f"/{running[0]}/logs",
    ):
        assert world.ask("GET", f"/api/v1/runs{path}").status == 200
    assert world.ask("GET", "/health").status in (200, 503)
    assert world.logs(done) == printed
    gate.touch()
    for run_id in running:
        assert world.ask("GET", f"/api/v1/runs/{run_id}").status == 200
    filler.free()
    for run_id in running:
        shown = world.final(run_id)
        assert (shown["status"], shown["exit_code"]) == ("succeeded", 0), shown
        assert world.logs(run_id) == b"ready\n"
    assert world.final(world.submitted("worker", "5 20 0 0 bytes"))["status"] == "succeeded"
    kinds = {json.dumps([shown["status"], shown["failure"]]) for shown in map(world.final, taken)}
    assert world.integrity() == "ok"
    assert not world.marked()
    world.slots_are_free(8)
    figure(
        f"full disk ({left} bytes left): {len(taken)} more taken, which ended {sorted(kinds)}, then 507; "
        f"{RUNNING} running ones kept their end; all reads 200; well again without a restart"
    )


def submit(world: World) -> Answer:
    """Ask for a run of a few thousand bytes."""
    return world.ask("POST", "/api/v1/runs", {"agent": "true", "prompt": "x" * 5000})


@pytest.mark.scorecard(10)
@pytest.mark.proof
@pytest.mark.timeout(120)
def test_a_restart_on_a_full_disk(world: World, figure: Callable[[str], None]) -> None:
    gate = world.home / "gate"
    done = world.submitted("worker", "5 20 0 0 bytes")
    world.final(done)
    printed = world.logs(done)
    running = world.submitted("gated", str(gate))
    world.until_printed(running, b"ready\n")
    filler = Filler(world)
    filler.fill()
    assert is_full(world.state)
    world.kill()
    world.start()
    assert world.logs(done) == printed
    assert submit(world).status == 507
    gate.touch()
    filler.free()
    assert world.final(running)["status"] == "succeeded"
    assert world.final(world.submitted("true"))["status"] == "succeeded"
    figure("a restart on a full disk: reads work, submits 507, a live run is settled once there is space")


@pytest.mark.scorecard(10)
@pytest.mark.proof
@pytest.mark.timeout(120)
def test_output_beyond_the_disk(world: World, figure: Callable[[str], None]) -> None:
    filler, gate, pieces = Filler(world), world.home / "gate", 1000
    filler.fill(leave=8 << 20)
    os.mkfifo(f"{gate}.fifo")
    run_id = world.submitted("flood", f"~ {pieces} {gate}")
    with open(f"{gate}.fifo", "rb") as printed:
        printed.read()
    gate.touch()
    assert submit(world).status == 507
    assert world.ask("GET", f"/api/v1/runs/{run_id}").status == 200
    assert len(world.ask("GET", f"/api/v1/runs/{run_id}/logs").body) > 4 << 20
    filler.free()
    assert world.over(run_id)["status"] == "succeeded"
    metrics = world.ask("GET", f"/api/v1/runs/{run_id}/result").json["metrics"]
    kept = world.frames(run_id)[Kind.STDOUT]
    assert metrics["stdout_bytes"] == 65500 * pieces == kept + metrics["dropped_bytes"]
    figure(
        f"output beyond the disk: {kept} bytes kept, {metrics['dropped_bytes']} said to be dropped, succeeded"
    )
