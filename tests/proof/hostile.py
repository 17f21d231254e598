"""Agents that do not want to end, ended over HTTP: by a cancel, by their time, by it with the server dead."""

from __future__ import annotations

import time
from dataclasses import dataclass

from praisonrun.files.run_files import RunFiles
from praisonrun.journal.format import START, Kind
from praisonrun.journal.reader import Reader
from praisonrun.process import sweep

from ..rigs.harness import alive
from ..rigs.processes import of_run
from .world import GRACE, World


@dataclass
class Spread:
    """How late something was, at least and at most."""

    low: float = 1e9
    high: float = -1e9
    families: int = 0

    def add(self, late: float, family: int) -> None:
        self.low, self.high = min(self.low, late), max(self.high, late)
        self.families += family

    def __str__(self) -> str:
        return f"{self.low:+.2f}..{self.high:+.2f} s late, {self.families} processes gone"


def cancel(world: World, kind: str, spread: Spread) -> None:
    """Start one, cancel it, and see that nothing is left when the answer comes."""
    run_id, family = begun(world, kind, 600)
    asked = time.monotonic()
    answer = world.ask("POST", f"/api/v1/runs/{run_id}/cancel")
    late = time.monotonic() - asked
    assert (answer.status, answer.json["status"]) == (200, "cancelled"), answer
    gone(world, run_id, family)
    spread.add(late, len(family))
    assert late < GRACE + 2


def time_out(world: World, kind: str, spread: Spread, *, dead: bool) -> None:
    """Start one that may take a second, perhaps kill the server, and see it end in time."""
    run_id, family = begun(world, kind, 1)
    if dead:
        world.kill()
        world.until_let_go(run_id)
        assert not any(map(alive, family)), "the shim let go before all was gone"
        world.start()
    shown = world.final(run_id)
    assert (shown["status"], shown["failure"]) == ("failed", "timed_out"), shown
    gone(world, run_id, family)
    started, ended = bounds(world, run_id)
    late = (ended - started) / 1e6 - 1
    spread.add(late, len(family))
    assert 0 <= late < GRACE + 2


def begun(world: World, kind: str, timeout: int) -> tuple[str, set[int]]:
    """Start one and return its id and its processes, once it is ready."""
    run_id = world.submitted(kind, timeout=timeout)
    world.until_printed(run_id, b"ready\n")
    return run_id, sweep.descendants(world.tail(run_id)["shim"])


def gone(world: World, run_id: str, family: set[int]) -> None:
    """See that no process of a run is left."""
    left = {pid for pid in family if alive(pid)} | of_run(run_id)
    assert not left, f"{len(left)} processes were left behind"


def bounds(world: World, run_id: str) -> tuple[int, int]:
    """Return when the agent was about to start and when all of it was over, by the journal."""
    with Reader(RunFiles(world.state).open_read(run_id)) as reader:
        frames = [frame for frames in reader.windows(START) for frame in frames]
    started = next(frame for frame in frames if frame.kind is Kind.STARTED)
    return started.time, frames[-1].time
