"""A server under a steady small load for a long time, and what grows meanwhile."""

from __future__ import annotations

import http.client
import math
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path

import psutil

from ..rigs.zoo import Receiver, answer
from .world import World

RUNS_A_SECOND = 5
WATCHERS = 3
"""Streams that stay open all the time."""
TOLD, FOLLOWED, POLLED = 10, 15, 5
"""Every so many runs one with a webhook, one that is followed to its end, one that is looked for in lists."""
WARM_UP, HURRY, FULL = 0.2, 6, 3000
"""The part at the beginning that says nothing, its load, and its runs at least: so many fill all caches."""
WAL_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server and its spawner take at one time. Memory in bytes."""

    rss: int
    private: int
    spawner_rss: int
    fds: int
    spawner_fds: int
    threads: int
    processes: int
    """The spawner, shims and agents."""


NAMES = tuple(field.name for field in fields(Sample))


@dataclass(frozen=True, slots=True)
class Growth:
    """How one thing changed from the end of the warm-up to the end."""

    name: str
    median: float
    change: float

    @property
    def share(self) -> float:
        """The change as a part of the median."""
        return self.change / self.median if self.median else self.change

    def __str__(self) -> str:
        scale, unit = (1 << 20, " MB") if self.median > 1 << 20 else (1, "")
        return f"{self.name} {self.median / scale:.1f}{unit} {self.share:+.2%}"


class Soak:
    """One soak: load and samples by the monotonic clock, in turns, in one thread."""

    def __init__(self, world: World, seconds: float, every: float) -> None:
        self._world, self._seconds, self._every = world, seconds, every
        assert world.process is not None
        self._server = psutil.Process(world.process.pid)
        self._spawner = self._server.children()[0]
        self._zombies: set[int] = set()
        self.samples: list[tuple[float, Sample]] = []
        self._warm = math.inf
        """Seconds of the warm-up, once it is over."""
        self.runs = self.told = self.wal = self.lasting_zombies = 0

    def run(self) -> None:
        """Do it all: every run of the load has ended well, and every webhook came, when this returns."""
        with Receiver(answer()) as receiver, watched(self._world) as gate:
            begun = sampled = due = time.monotonic()
            never = threading.Event()
            while (now := time.monotonic()) - begun < self._warm + (1 - WARM_UP) * self._seconds:
                if now >= sampled:
                    self._sample(now - begun)
                    sampled += self._every
                self._one(receiver)
                if self._warm == math.inf and self.runs >= FULL and now - begun >= WARM_UP * self._seconds:
                    self._warm, due = now - begun, now
                due += 1 / (RUNS_A_SECOND * (HURRY if self._warm == math.inf else 1))
                never.wait(max(0.0, due - time.monotonic()))
            gate.touch()
            for _ in range(self.told):
                receiver.next()
        self._all_ended()

    def _one(self, receiver: Receiver) -> None:
        told = self.runs % TOLD == 0
        run_id = self._world.submitted("true", **({"webhook_url": receiver.url} if told else {}))
        self.runs, self.told = self.runs + 1, self.told + told
        if self.runs % FOLLOWED == 0:
            assert self._world.final(run_id)["status"] == "succeeded"
        if self.runs % POLLED == 0:
            for path in ("/stats", "/api/v1/runs?page_size=20", f"/api/v1/runs/{run_id}"):
                assert self._world.ask("GET", path).status == 200

    def _all_ended(self) -> None:
        expected = self.runs + 1
        for _ in range(100):
            ids = self._world.ask("GET", "/api/v1/runs?status=running").json["jobs"]
            ids += self._world.ask("GET", "/api/v1/runs?status=queued").json["jobs"]
            for job in ids:
                self._world.final(job["job_id"])
            if not ids:
                break
        by_status = self._world.ask("GET", "/stats").json["by_status"]
        assert by_status["succeeded"] == sum(by_status.values()) == expected, by_status

    def _sample(self, at: float) -> None:
        family = self._server.children(recursive=True)
        full = self._server.memory_full_info()
        sample = Sample(
            full.rss,
            full.uss,
            self._spawner.memory_info().rss,
            self._server.num_fds(),
            self._spawner.num_fds(),
            self._server.num_threads(),
            len(family),
        )
        self.samples.append((at, sample))
        zombies = {child.pid for child in family if _is_zombie(child)}
        self.lasting_zombies += len(zombies & self._zombies)
        self._zombies = zombies
        with suppress(FileNotFoundError):
            self.wal = max(self.wal, (self._world.state / "praisonrun.db-wal").stat().st_size)

    def growth(self) -> list[Growth]:
        """Return how each thing changed after the warm-up."""
        settled = [(at, astuple(sample)) for at, sample in self.samples if at >= self._warm]
        return [grown(name, [(at, values[n]) for at, values in settled]) for n, name in enumerate(NAMES)]

    def disk(self) -> int:
        """Return the bytes of all files in the state directory."""
        return sum(path.lstat().st_size for path in Path(self._world.state).rglob("*"))


def grown(name: str, points: Sequence[tuple[float, float]]) -> Growth:
    """Return a thing's change over all samples, by the slope that half of all pairs exceed (Theil-Sen).

    One odd sample, or one while a run is live, moves it as little as it moves a median.
    """
    slope = statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))
    span = points[-1][0] - points[0][0]
    return Growth(name, statistics.median(y for _, y in points), slope * span)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def watched(world: World) -> Iterator[Path]:
    """Have a run that waits for a file, given here, watched by some inside this block."""
    gate = world.home / "gate"
    run_id = world.submitted("gated", str(gate))
    with ExitStack() as stack:
        for _ in range(WATCHERS):
            line = http.client.HTTPConnection("127.0.0.1", world.port, timeout=world.patience)
            stack.enter_context(closing(line))
            line.request("GET", f"/api/v1/runs/{run_id}/stream")
            assert line.getresponse().status == 200
        yield gate
