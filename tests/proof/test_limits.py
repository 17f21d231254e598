"""Scorecard 24: what is too much costs the server next to nothing, and a good client does not notice."""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from ..bench.place import cpu_seconds
from .too_much import FILES, MB, REQUESTS, Pieces, posted
from .world import World

CPU, RSS = 0.1, 10 * MB
"""Seconds of processor and bytes that one of them may cost."""
PATIENT, ROUNDS = 0.5, 12
"""Seconds in which a good client is answered, 99 times of 100; how often everything is tried meanwhile.

More often, and the server's warnings about its agents file would fill the pipe that nobody reads.
"""
TRIES = 3
"""Of which the quickest counts: others work on the machine, too."""
Attack = Callable[[], int]

pytestmark = [
    pytest.mark.proof,
    pytest.mark.scorecard(24),
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]


def poured(world: World, pieces: Pieces) -> int:
    """Send it all, as far as the server takes it; return the status of the answer, 0 if there is none."""
    host = f"127.0.0.1:{world.port}".encode()
    with socket.create_connection(("127.0.0.1", world.port), timeout=world.patience) as line:
        try:
            for piece in pieces():
                line.sendall(piece.replace(b"@", host) if b"Host: @" in piece else piece)
                if select.select([line], [], [], 0)[0]:
                    break
        except OSError:
            pass  # it has heard enough; what it said may be there to be read
        said = line.makefile("rb").readline().split()
        return int(said[1]) if said else 0


def edited(world: World, text: str) -> int:
    """Write an agents file, have it read, and return 422 where the last good one is kept; then restore it."""
    good = world.agents.read_text()
    before = world.ask("GET", "/api/v1/agents").json
    world.agents.write_text(text)
    after = world.ask("GET", "/api/v1/agents").json
    world.agents.write_text(good)
    assert world.ask("GET", "/api/v1/agents").json == before
    return 422 if after["problem"] and after["agents"] == before["agents"] else 200


def attacks(world: World) -> dict[str, tuple[Attack, int]]:
    """Return all that is tried: how to do it, and the status to be seen."""
    found: dict[str, tuple[Attack, int]] = {
        name: (partial(poured, world, pieces), status) for name, (pieces, status) in REQUESTS.items()
    }
    for name, text in FILES.items():
        body = json.dumps({"prompt": "x", "agent_yaml": text}).encode()
        found[f"agents.yaml: {name}"] = (partial(edited, world, text), 422)
        found[f"agent_yaml: {name}"] = (partial(poured, world, posted(body)), 422)
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A server that takes inline agents, warm."""
    with World(tmp_path, "--allow-inline-agents") as made:
        made.start()
        for attack, _ in attacks(made).values():
            attack()
        yield made


@contextmanager
def served(world: World) -> Iterator[list[float]]:
    """Have a good client ask inside this block; give the seconds that its answers took."""
    over, took = threading.Event(), list[float]()

    def ask() -> None:
        while not over.wait(0.005):
            asked_at = time.perf_counter()
            assert world.ask("GET", "/stats").status == 200
            took.append(time.perf_counter() - asked_at)

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield took
    finally:
        over.set()
        client.join()


def cost(world: World, attack: Attack) -> tuple[int, float, int]:
    """Return an attack's status, the seconds of processor it took, and how much the memory's peak rose."""
    assert world.process is not None
    pid = world.process.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    memory, cpu = world.memory("VmRSS"), cpu_seconds(pid)
    status = attack()
    assert world.ask("GET", "/healthz").status == 200
    return status, cpu_seconds(pid) - cpu, world.memory() - memory


def cheapest(world: World, attack: Attack) -> tuple[int, float, int]:
    """Return the status, the least time and the most memory of some tries."""
    tries = [cost(world, attack) for _ in range(TRIES)]
    return max(t[0] for t in tries), min(t[1] for t in tries), max(t[2] for t in tries)


def test_what_is_too_much_is_refused_at_next_to_no_cost(world: World, figure: Callable[[str], None]) -> None:
    found = {name: (cheapest(world, attack), status) for name, (attack, status) in attacks(world).items()}
    dearest = max(found, key=lambda name: found[name][0][1])
    largest = max(found, key=lambda name: found[name][0][2])
    for name, ((status, cpu, rose), _) in found.items():
        print(f"{name}: {status}, {cpu * 1e3:.1f} ms, {rose / MB:+.1f} MB")
    figure(
        f"limits, {len(found)} attacks: at most {found[dearest][0][1] * 1e3:.0f} ms ({dearest}), "
        f"{found[largest][0][2] / MB:+.1f} MB ({largest})"
    )
    assert {name: got[0] for name, (got, _) in found.items()} == {n: s for n, (_, s) in found.items()}
    assert [name for name, (got, _) in found.items() if got[1] > CPU or got[2] > RSS] == []


def test_a_good_client_does_not_notice(world: World, figure: Callable[[str], None]) -> None:
    before = world.memory("VmRSS")
    with served(world) as took:
        for _ in range(ROUNDS):
            for attack, _ in attacks(world).values():
                attack()
    late = sorted(took)[int(len(took) * 0.99)]
    grown = world.memory("VmRSS") - before
    figure(
        f"limits, a good client meanwhile: {len(took)} answers, p99 {late * 1e3:.0f} ms; {grown / MB:+.1f} MB"
    )
    assert late < PATIENT
    assert grown < RSS
