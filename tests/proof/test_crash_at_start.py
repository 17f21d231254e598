"""Scorecard 6, 8: kill -9 at every system call with which a server starts, first or after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from .inject import Traced
from .world import World

pytestmark = [
    pytest.mark.proof,
    pytest.mark.scorecard(6, 8),
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
CALLS = (
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "ftruncate",
    "mkdir",
    "rename",
    "unlink",
    "bind",
    "listen",
)
LIVE = 20
"""Runs that go on through all of it."""
MISSES = 2
"""Calls in a row that were never made: then there are no more."""


def killed(world: World, call: str, number: int) -> bool:
    """Start a server that is killed at its n-th call; say whether it came to that. None is left behind."""
    seen = world.home / "calls"
    command = ["strace", "-f", "-qq", "-o", str(seen), "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:signal=KILL:when={number}", sys.executable, "-m", "praisonrun", "serve"]
    command += ["--port", "0", "--state", str(world.state), "--agents", str(world.agents), "--min-free", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=world.home) as tracer:
        assert tracer.stderr is not None
        up = any("listens on" in line for line in iter(tracer.stderr.readline, ""))
        if up:
            with suppress(ProcessLookupError):
                os.kill(int((world.state / "server.lock").read_text()), signal.SIGKILL)
    return not up and Traced(seen).killed()


def every(world: World, before: Callable[[], None], after: Callable[[], None]) -> Counter[str]:
    """Kill a start at each point; `before` makes what it starts from, `after` looks at what is left."""
    points: Counter[str] = Counter()
    for call in CALLS:
        number = misses = 0
        while misses < MISSES:
            number += 1
            before()
            if killed(world, call, number):
                points[call] += 1
                misses = 0
                after()
            else:
                misses += 1
    return points


def told(what: str, points: Counter[str], begun: float) -> str:
    each = ", ".join(f"{call} {count}" for call, count in sorted(points.items()))
    took = time.monotonic() - begun
    return f"{what}, killed at {points.total()} points ({each}): 0 lost, 0 corrupt, 0 stuck; {took:.0f} s"


def test_the_first_start(tmp_path: Path, figure: Callable[[str], None]) -> None:
    begun = time.monotonic()
    with World(tmp_path) as world:

        def before() -> None:
            shutil.rmtree(world.state, ignore_errors=True)

        def after() -> None:
            world.start()
            assert world.final(world.submitted("true"))["status"] == "succeeded"
            world.kill()
            assert world.integrity() == "ok"

        points = every(world, before, after)
    assert points["pwrite64"] > 1
    figure(told("first start", points, begun))


def test_a_start_after_a_crash(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Of a state that a killed server left, with a live run: the starts that follow are cut off, too."""
    begun, gate = time.monotonic(), tmp_path / "gate"
    with World(tmp_path, "--concurrency", "100") as world:
        live: list[str] = []

        def before() -> None:
            world.start()
            assert world.final(world.submitted("true"))["status"] == "succeeded"
            if len(live) < LIVE:
                live.append(world.submitted("gated", str(gate)))
                world.until_printed(live[-1], b"ready\n")
            world.kill()

        def after() -> None:
            assert world.integrity() == "ok"

        points = every(world, before, after)
        world.start()
        gate.touch()
        assert {world.final(run_id)["status"] for run_id in live} == {"succeeded"}
        assert {world.logs(run_id) for run_id in live} == {b"ready\n"}
        world.kill()
        assert world.integrity() == "ok"
    assert points
    figure(told(f"start after a crash, {len(live)} live runs at the end", points, begun))
