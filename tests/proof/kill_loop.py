"""The kill loop: clients submit without end to a server that is killed and started again, and check all.

A run is checked by the client that submitted it; what nobody waits for is checked at the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from .worker import pieces
from .world import PATIENCE, World

CLIENTS = 8
WINDOW = 4
"""Runs that a client leaves open before it waits for the oldest."""
CODES = (0, 0, 0, 1, 7, 42, 255)


@dataclass(frozen=True, slots=True)
class Ask:
    """One submit, and what must come of it."""

    key: str
    seed: int
    count: int
    pause: int
    code: int

    @property
    def prompt(self) -> str:
        return f"{self.seed} {self.count} {self.pause} {self.code} bytes"

    @property
    def output(self) -> bytes:
        return b"".join(pieces(self.seed, self.count, "bytes"))


@dataclass
class Figures:
    """What the loop came to."""

    kills: int = 0
    early: int = 0
    """Kills before the server listened."""
    acknowledged: int = 0
    retried: int = 0
    """Submits that were asked more than once."""
    runs: int = 0
    survivors: int = 0
    """Runs that were alive when the server was killed."""
    seconds: float = 0.0
    killed_at: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.early} during start-up), {self.acknowledged} acknowledged runs, 0 lost; "
            f"{self.runs} runs, 0 started twice, 0 unsettled; {self.survivors} in flight at a kill, "
            f"all with the right code and output; {self.retried} submits retried; {self.seconds:.0f} s"
        )


class KillLoop:
    """Clients, a killer, and what they know."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.figures = Figures()
        self.asked: dict[str, Ask] = {}
        """By the id of the run that was acknowledged."""
        self._news = threading.Condition()
        self._over = False

    def run(self, kills: int) -> Figures:
        """Kill so often; return once every run is final and checked."""
        begun = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client, number) for number in range(CLIENTS)]
            try:
                self._kill(kills)
            finally:
                self._end()
            for client in clients:
                client.result()
        self.figures.seconds = time.monotonic() - begun
        self._check_all()
        return self.figures

    def _end(self) -> None:
        with self._news:
            self._over = True
            self._news.notify_all()

    # The killer

    def _kill(self, kills: int) -> None:
        chance = random.Random(f"{self.seed} killer")
        for _ in range(kills):
            self._until_acknowledged(chance.randrange(16))
            threading.Event().wait(chance.random() * 0.04)  # the fault's own moment
            self.figures.killed_at.append(time.time_ns() // 1000)
            self.world.kill()
            self.figures.kills += 1
            if chance.random() < 0.15:
                self._kill_early(chance.random() * 0.5)
            self.world.start()

    def _kill_early(self, after: float) -> None:
        """Start the server and kill it before anybody could use it."""
        timer = threading.Timer(after, lambda: self.world.process and self.world.process.kill())
        timer.start()
        with suppress(Exception):  # whatever a start comes to that is cut off
            self.world.start()
        timer.join()
        self.world.kill()
        self.figures.early += 1

    def _until_acknowledged(self, more: int) -> None:
        with self._news:
            wanted = self.figures.acknowledged + more
            told = self._news.wait_for(lambda: self._over or self.figures.acknowledged >= wanted, PATIENCE)
        assert told, "nothing was acknowledged any more"
        assert not self._over, "a client met a fault"

    # A client

    def _client(self, number: int) -> None:
        try:
            self._submit_and_check(random.Random(f"{self.seed} client {number}"), number)
        except BaseException:
            self._end()
            raise

    def _submit_and_check(self, chance: random.Random, number: int) -> None:
        opened: deque[str] = deque()
        count = 0
        while not self._over:
            count += 1
            ask = Ask(
                f"{self.seed}-{number}-{count}",
                chance.getrandbits(40),
                chance.randrange(4, 20),
                chance.randrange(10, 16),
                chance.choice(CODES),
            )
            opened.append(self._submit(ask))
            if chance.random() < 0.1:
                assert self._submit(ask) == opened[-1], "a key named another run"
            if len(opened) > chance.randrange(WINDOW):
                self._check(opened.popleft())
        for run_id in opened:
            self._check(run_id)

    def _submit(self, ask: Ask) -> str:
        body = {"agent": "worker", "prompt": ask.prompt}
        before = self.figures.kills
        answer = self.world.insist("POST", "/api/v1/runs", body, Idempotency_Key=ask.key)
        assert answer.status == 202, answer
        run_id = str(answer.json["job_id"])
        with self._news:
            self.figures.acknowledged += run_id not in self.asked
            self.figures.retried += "idempotency-replayed" in answer.headers and self.figures.kills > before
            self.asked[run_id] = ask
            self._news.notify_all()
        return run_id

    def _check(self, run_id: str) -> None:
        ask, shown = self.asked[run_id], self.world.final(run_id)
        status = "failed" if ask.code else "succeeded"
        assert (shown["status"], shown["exit_code"], shown["attempt"]) == (status, ask.code, 1), (ask, shown)
        assert self.world.logs(run_id) == ask.output, (ask, shown)

    # The end

    def _check_all(self) -> None:
        world = self.world
        runs = {run["job_id"]: run for run in world.everything()}
        assert self.asked.keys() == runs.keys(), "every submit was repeated until it was acknowledged"
        assert {run["status"] for run in runs.values()} <= {"succeeded", "failed"}, "a run is unsettled"
        starts = world.starts()
        assert starts.keys() == runs.keys()
        assert set(starts.values()) == {1}, f"started twice: {[i for i, n in starts.items() if n > 1]}"
        assert not world.marked(), "a process was left behind"
        assert not world.holders(), "a shim was left behind"
        world.slots_are_free(world.ask("GET", "/health").json["concurrency"])
        assert world.ask("GET", "/health").json["status"] == "ok"
        assert world.integrity() == "ok"
        self.figures.runs = len(runs)
        self.figures.survivors = len(self._survivors())

    def _survivors(self) -> set[str]:
        """Return the runs whose agent lived at a moment at which the server was killed."""
        return {
            run_id
            for run_id, (begun, ended) in self.world.lives().items()
            if any(begun < at < ended for at in self.figures.killed_at)
        }
