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
from .world import PATIENCE, Json, World

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
    retries: int = 0
    cancel: bool = False

    @property
    def prompt(self) -> str:
        return f"{self.seed} {self.count} {self.pause} {self.code} bytes"

    @property
    def output(self) -> bytes:
        return b"".join(pieces(self.seed, self.count, "bytes"))

    @property
    def attempts(self) -> int:
        return 1 + (self.retries if self.code else 0)


@dataclass
class Figures:
    """What the loop came to."""

    kills: int = 0
    early: int = 0
    """Kills before the server listened."""
    acknowledged: int = 0
    retried: int = 0
    """Submits that a kill left without an answer, though the run was there."""
    cancelled: int = 0
    again: int = 0
    """Runs that failed and were tried again, as they should be."""
    runs: int = 0
    survivors: int = 0
    """Runs that were alive when the server was killed."""
    seconds: float = 0.0
    killed_at: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.early} during start-up), {self.acknowledged} acknowledged, 0 lost; "
            f"{self.runs} runs, 0 started twice, 0 unsettled; {self.survivors} in flight at a kill, "
            f"all with the right code and output; {self.retried} answers lost and asked for again, "
            f"{self.cancelled} cancelled, {self.again} tried again on purpose; {self.seconds:.0f} s"
        )


class _ClientFault(Exception):
    """A client gave up."""


class KillLoop:
    """Clients, a killer, and what they know."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.figures = Figures()
        self.asked: dict[str, Ask] = {}
        """By the id of the run that was acknowledged."""
        self.killed: set[int] = set()
        """The pids of shims that were killed: the runs that they had are lost."""
        self._news = threading.Condition()
        self._over = False

    def run(self, kills: int) -> Figures:
        """Kill so often; return once every run is final and checked."""
        begun = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client, number) for number in range(CLIENTS)]
            try:
                self._kill(kills)
            except _ClientFault:
                pass  # the client says more
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
        timer = threading.Timer(after, self._kill_now)
        timer.start()
        with suppress(Exception):  # whatever a start comes to that is cut off
            self.world.start()
        timer.join()
        self.world.kill()
        self.figures.early += 1

    def _kill_now(self) -> None:
        if self.world.process is not None:
            self.world.process.kill()

    def _until_acknowledged(self, more: int) -> None:
        with self._news:
            wanted = self.figures.acknowledged + more
            told = self._news.wait_for(lambda: self._over or self.figures.acknowledged >= wanted, PATIENCE)
        assert told, "nothing was acknowledged any more"
        if self._over:
            raise _ClientFault

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
                chance.choice((0, 0, 0, 1)),
                chance.random() < 0.15,
            )
            opened.append(self._submit(ask))
            if chance.random() < 0.1:
                assert self._submit(ask) == opened[-1], "a key named another run"
            if ask.cancel:
                answer = self.world.insist("POST", f"/api/v1/runs/{opened[-1]}/cancel?wait=false")
                assert answer.status in (200, 409), answer
            if len(opened) > chance.randrange(WINDOW):
                self._check(opened.popleft())
        for run_id in opened:
            self._check(run_id)

    def _submit(self, ask: Ask) -> str:
        body = {"agent": "worker", "prompt": ask.prompt, "retries": ask.retries}
        before = self.figures.kills
        answer = self.world.insist("POST", "/api/v1/runs", body, key=ask.key)
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
        printed = self.world.logs(run_id)
        if (ask.cancel and shown["status"] == "cancelled") or self._lost(run_id, shown):
            assert (ask.output * ask.attempts).startswith(printed), (ask, shown)
            return
        # One that is asked to stop may end by itself before that; then it is not tried again.
        attempts = shown["attempt"] if ask.cancel else ask.attempts
        status = "failed" if ask.code else "succeeded"
        found = (shown["status"], shown["exit_code"], shown["attempt"])
        assert found == (status, ask.code, attempts), (ask, shown)
        assert printed == ask.output * attempts, (ask, shown)

    def _lost(self, run_id: str, shown: Json) -> bool:
        return shown["failure"] == "lost" and self.world.tail(run_id)["shim"] in self.killed

    # The end

    def _check_all(self) -> None:
        world = self.world
        runs = {run["job_id"]: run for run in world.everything()}
        assert self.asked.keys() == runs.keys(), "every submit was repeated until it was acknowledged"
        assert {run["status"] for run in runs.values()} <= {"succeeded", "failed", "cancelled"}, "unsettled"
        starts = world.starts()
        assert set(starts.values()) <= {1}, (
            f"started twice: {[which for which, n in starts.items() if n > 1]}"
        )
        attempts: dict[str, list[int]] = {run_id: [] for run_id in runs}
        for run_id, attempt in starts:
            attempts[run_id].append(attempt)
        for run_id, run in runs.items():
            begun = sorted(attempts[run_id])
            cut = run["status"] == "cancelled" or self._lost(run_id, run)
            assert cut or begun == list(range(1, 1 + run["attempt"])), (run, begun)
        assert not world.marked(), "a process was left behind"
        assert not world.holders(), "a shim was left behind"
        world.slots_are_free(world.ask("GET", "/health").json["concurrency"])
        assert world.ask("GET", "/health").json["status"] == "ok"
        assert world.integrity() == "ok"
        self.figures.runs = len(runs)
        self.figures.cancelled = sum(run["status"] == "cancelled" for run in runs.values())
        self.figures.again = sum(run["attempt"] > 1 for run in runs.values())
        self.figures.survivors = len(self._survivors())

    def _survivors(self) -> set[str]:
        """Return the runs whose agent lived at a moment at which the server was killed."""
        return {
            run_id
            for run_id, (begun, ended) in self.world.lives().items()
            if any(begun < at < ended for at in self.figures.killed_at)
        }
