"""Kill the shim of a run, again and again, while others run: lost at once, gone wholly, never again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil

from praisonrun.process import sweep

from ..rigs.harness import alive
from .world import World

AGENTS = ("slow", "stubborn", "sitter", "worker")


def kill_shims(world: World, seed: int, times: int) -> str:
    """Kill so many shims; return what it came to."""
    chance = random.Random(f"{seed} shims")
    slowest = 0.0
    left = 0
    with load(world):
        for number in range(times):
            if number % 10 == 1:
                kill_spawner(world)
            agent = chance.choice(AGENTS)
            run_id = world.submitted(agent, f"{chance.getrandbits(30)} 5000 10 0 bytes", retries=3)
            world.until_printed(run_id, b"\n" if agent == "worker" else b"ready\n")
            shim = world.tail(run_id)["shim"]
            family = sweep.descendants(shim)
            assert family, "nothing to be left behind"
            begun = time.monotonic()
            os.kill(shim, signal.SIGKILL)
            shown = world.final(run_id)
            slowest = max(slowest, time.monotonic() - begun)
            assert (shown["status"], shown["failure"], shown["attempt"]) == ("failed", "lost", 1), shown
            left += sum(map(alive, family))
    assert left == 0, f"{left} processes were left behind"
    assert slowest < 2.0
    assert set(world.starts().values()) == {1}, "a lost run was started again"
    assert not world.marked()
    world.slots_are_free(8)
    return (
        f"{times} shims, and {(times + 8) // 10} spawners between, killed: each lost within {slowest:.2f} s, "
        "0 processes left, 0 started again"
    )


def kill_spawner(world: World) -> None:
    """Kill the process that forks shims: no run is to feel it."""
    assert world.process is not None
    (spawner,) = (child for child in psutil.Process(world.process.pid).children() if alive(child.pid))
    spawner.kill()


@contextmanager
def load(world: World, clients: int = 2) -> Iterator[None]:
    """Have clients run short agents inside this block."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            assert world.final(world.submitted("worker", "1 5 10 0 bytes"))["status"] == "succeeded"

    with ThreadPoolExecutor(clients) as pool:
        busy = [pool.submit(go_on) for _ in range(clients)]
        try:
            yield
        finally:
            over.set()
        for client in busy:
            client.result()
