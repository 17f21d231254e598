"""Scorecard 20: receivers of every kind at one real server: each as specified, and none waits for another."""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime

import pytest

from ..rigs import zoo
from ..rigs.zoo import Behave, Closed, Got, Receiver
from ..webhooks.test_sender import ZOO
from .world import Json, World

OTHERS, ROUNDS = 200, 4
MB = 1 << 20
SILENT = "no answer within 20 s"
KINDS: dict[str, tuple[Behave, int | None, str | None]] = {
    **ZOO,
    "429": (zoo.answer(429, "Retry-After: 1000\r\n"), 429, "answered 429"),
    "hangs": (zoo.hang, None, SILENT),
    "a head byte by byte": (zoo.drip, None, SILENT),
}
"""How a receiver behaves, and the status and error of an attempt at it."""
PAUSES = {"500": 4.0, "429": 1000.0, "hangs": 4.0}
"""Seconds after which, at the earliest, some are tried again."""

pytestmark = [pytest.mark.proof, pytest.mark.scorecard(20), pytest.mark.timeout(600)]


class Others:
    """A good receiver of many runs, which notes when each was told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._delays: list[float] = []
        self._receiver = Receiver(self._note)

    def __enter__(self) -> Others:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.__exit__()

    def _note(self, receiver: Receiver, connection: socket.socket, got: Got) -> None:
        ended = datetime.fromisoformat(json.loads(got.body)["completed_at"]).timestamp()
        self._delays.append(time.time() - ended)
        zoo.answer()(receiver, connection, got)

    def delays(self) -> list[float]:
        """Have many runs end; return how many seconds after its end each was told, the least first."""
        self._delays.clear()

        def one(_: int) -> None:
            self._world.submitted("true", webhook_url=self._receiver.url)
            self._receiver.next()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(OTHERS)))
        return sorted(self._delays)


@pytest.fixture
def others(world: World) -> Iterator[Others]:
    with Others(world) as made:
        made.delays()  # warm
        yield made


def p99(delays: list[float]) -> float:
    """Return the 99th percentile."""
    assert len(delays) == OTHERS
    return statistics.quantiles(delays, n=100)[98]


def told(delays: list[float]) -> str:
    """Return the delays in short."""
    return f"p50 {statistics.median(delays) * 1000:.0f} ms, p99 {p99(delays) * 1000:.0f} ms"


def attempted(world: World, run_id: str) -> Json:
    """Return a run's delivery once there was an attempt at it: no bell tells that outside."""
    pause = threading.Event()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        [delivery] = world.ask("GET", f"/api/v1/runs/{run_id}/deliveries").json["deliveries"]
        if delivery["attempts"]:
            return delivery
        pause.wait(0.05)
    raise AssertionError(f"no attempt was recorded: {delivery}")


@contextmanager
def opened() -> Iterator[dict[str, str]]:
    """Open the zoo; give the url of each kind."""
    with ExitStack() as stack:
        urls = {kind: stack.enter_context(Receiver(behave)).url for kind, (behave, _, _) in KINDS.items()}
        urls["refuses"] = stack.enter_context(Closed()).url
        urls["bad TLS"] = stack.enter_context(Receiver(zoo.answer(), tls=True)).url
        yield urls


def check(kind: str, delivery: Json) -> None:
    """See that a delivery's first attempt came to what its receiver deserves."""
    first = delivery["attempts"][0]
    if kind in ("refuses", "bad TLS"):
        assert (delivery["state"], first["status"]) == ("pending", None), delivery
        assert first["error"].startswith("cannot connect: "), delivery
        return
    _, status, error = KINDS[kind]
    assert (first["status"], first["error"]) == (status, error), delivery
    assert delivery["state"] == ("delivered" if error is None else "dead" if kind == "410" else "pending")
    if kind in PAUSES and len(delivery["attempts"]) == 1:
        at, due = (datetime.fromisoformat(text) for text in (first["at"], delivery["next_attempt_at"]))
        assert (due - at).total_seconds() >= PAUSES[kind], delivery


def visited(world: World, urls: dict[str, str]) -> list[tuple[str, str]]:
    """Have a run of every kind end; return kinds and runs."""
    return [(kind, world.submitted("true", webhook_url=url)) for kind, url in urls.items()]


def test_one_hangs(world: World, others: Others, figure: Callable[[str], None]) -> None:
    alone = others.delays()
    with Receiver(zoo.hang) as hung:
        for _ in range(20):
            world.submitted("true", webhook_url=hung.url)
        hung.next()
        beside = others.delays()
    figure(f"others told while one hangs: {told(beside)} (none hangs: {told(alone)})")
    assert p99(beside) < 1


def test_the_whole_zoo(world: World, others: Others, figure: Callable[[str], None]) -> None:
    with opened() as urls, ThreadPoolExecutor(1) as pool:
        for _, run_id in visited(world, urls):
            attempted(world, run_id)
        before = world.memory("VmRSS")
        runs = [run for _ in range(ROUNDS) for run in visited(world, urls)]
        delays = pool.submit(others.delays)
        found = [(kind, attempted(world, run_id)) for kind, run_id in runs]
        grown = world.memory("VmRSS") - before
    for kind, delivery in found:
        check(kind, delivery)
    figure(
        f"zoo of {len(urls)} kinds x {ROUNDS}: each as specified; others: {told(delays.result())}; "
        f"server {grown / MB:+.1f} MB"
    )
    assert p99(delays.result()) < 1
    assert grown < 20 * MB
