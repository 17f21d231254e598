"""300 clients that read nothing, or stop in the middle of what they send, cost 100 MB, whatever they ask."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.rigs.harness import Server
from tests.rigs.veryfront_rig import agent

pytestmark = [pytest.mark.scorecard(22, 23, 24), pytest.mark.proof, pytest.mark.timeout(400)]
CLIENTS = 300
BOUND = 100.0
"""Megabytes that they may cost together, however they behave."""
PATIENCE = 8.0
"""Seconds that the clients stay: longer than a request waits for place."""
AGENTS = """
default: big
agents:
  big:
    command: ["{python}", -c, "import os; open(os.environ['PRAISONRUN_RESULT_PATH'], 'w').write('\\"' + 'r' * 8_000_000 + '\\"'); open(os.environ['PRAISONRUN_ARTIFACTS'] + '/a', 'w').write('a' * 60_000_000)"]
    prompt: none
  flood: {command: ["{python}", -c, "for i in range(400_000): print('x' * 150)"], prompt: none}
  long: {command: ["{python}", -c, "for i in range(60): print('x' * 1_000_000)"], prompt: none}
  lines: {command: ["{python}", -c, "for i in range(60): print('{\\"type\\": \\"message\\", \\"text\\": \\"' + 'x' * 1_000_000 + '\\"}')\\nprint('{\\"type\\": \\"result\\", \\"result\\": 1}')"], prompt: none, format: jsonl}
  blank: {command: ["{python}", -c, "for i in range(4): print('\\n' * 1_000_000)"], prompt: none}
  quick: {command: [/bin/true], prompt: none}
"""  # noqa: E501
RUN, SPOKEN = "/api/v1/runs/{%s}", "/v1/agent-deployments/quick/runs"
NDJSON, SSE = "application/x-ndjson", "text/event-stream"
READ = {
    "result": (RUN % "big" + "/result", ""),
    "stream": (RUN % "big" + "/stream", SSE),
    "stream-ndjson": (RUN % "big" + "/stream", NDJSON),
    "artifact": (RUN % "big" + "/artifacts/a", ""),
    "logs": (RUN % "flood" + "/logs", ""),
    "logs-tail": (RUN % "flood" + "/logs?tail=10000000", ""),
    "logs-follow": (RUN % "flood" + "/logs?follow=1", ""),
    "logs-times": (RUN % "blank" + "/logs?timestamps=1", ""),
    "logs-times-follow": (RUN % "blank" + "/logs?timestamps=1&follow=1", ""),
    "stream-flood": (RUN % "flood" + "/stream", SSE),
    "events": (RUN % "flood" + "/events?limit=10000", ""),
    "stream-page": (RUN % "flood" + "/stream", "application/json"),
    "long-logs": (RUN % "long" + "/logs", ""),
    "long-stream": (RUN % "long" + "/stream", NDJSON),
    "lines-logs": (RUN % "lines" + "/logs", ""),
    "lines-follow": (RUN % "lines" + "/logs?follow=1&tail=10", ""),
    "lines-events": (RUN % "lines" + "/events?limit=10000", ""),
    "lines-stream": (RUN % "lines" + "/stream", SSE),
    "nullspace-list": (SPOKEN + "?limit=200", ""),
    "nullspace-run": (SPOKEN + "/{made}", ""),
    "nullspace-logs": ("/v1/agent-deployments/lines/runs/{lines_}/logs?limit=1000", ""),
    "nullspace-tail": ("/v1/agent-deployments/lines/runs/{lines_}/logs?tail=10000", ""),
    "list": ("/api/v1/runs?page_size=100", ""),
    "all-runs": ("/api/v1/events?after={cursor}", SSE),
    "all-runs-page": ("/api/v1/events?after={cursor}", "application/json"),
    "all-runs-named": ("/api/v1/events?runs={big},{flood},{long},{lines}", NDJSON),
    "all-runs-named-page": ("/api/v1/events?runs={big},{flood},{long},{lines}", "application/json"),
    "veryfront-run": ("/runs/{whole}", ""),
    "veryfront-list": ("/projects/local/runs?limit=200", ""),
    "veryfront-events": ("/runs/{lines}/events?limit=1000", ""),
    "openapi": ("/openapi.json", ""),
}
"""What is asked for, by path and Accept."""
ENDLESS = {"all-runs", "all-runs-named"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("memory")
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def names(server: Server) -> dict[str, str]:
    """Return the ids of runs that have much to show."""
    with server.client() as client:
        cursor = client.get("/api/v1/runs").headers["praisonrun-cursor"]
    found = {name: server.submit(name) for name in ("big", "flood", "long", "lines", "blank")}
    for run_id in found.values():
        server.ended(run_id)
    with server.client() as client:
        for number in range(12):
            keys = {"Idempotency-Key": f"k{number}"}
            answer = client.post(SPOKEN, json={"input": {"a": "i" * 8_000_000}}, headers=keys)
            assert answer.status_code == 201, answer.text
            found["made"] = answer.json()["id"]
            body = {"agent": "quick", "prompt": "x", "metadata": {"a": "m" * 60_000}}
            for _ in range(9):
                assert client.post("/api/v1/runs", json=body).status_code == 202
        whole = client.post("/runs", json=agent("big", input={"prompt": "x", "a": "i" * 8_000_000}))
        assert whole.status_code == 202, whole.text
        found["whole"] = whole.json()["run"]["run_id"]
    server.ended(found["whole"])
    return found | {"cursor": cursor, "lines_": found["lines"].replace("run_", "adrun_")}


class Watch:
    """The server's memory, and how long a good client waits for a /healthz meanwhile."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self._server = server
        self.before = self.now()
        self.peak = self.worst = self.cpu = 0.0

    def now(self) -> float:
        return self._process.memory_info().rss / 1e6

    def look(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._server.client() as client:
            while time.monotonic() < end:
                started = time.perf_counter()
                assert client.get("/healthz").status_code == 200
                self.worst = max(self.worst, time.perf_counter() - started)
                self.peak = max(self.peak, self.now() - self.before)
                time.sleep(0.02)


def stalled(server: Server, stack: ExitStack) -> socket.socket:
    wire = stack.enter_context(socket.socket())
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.settimeout(10)
    wire.connect(("127.0.0.1", server.port))
    return wire


def judge(watch: Watch, what: str, figure: Callable[[str], None]) -> None:
    server = watch._server
    with server.client() as client:
        deadline = time.monotonic() + 20
        while watch.now() - watch.before > BOUND / 2 and time.monotonic() < deadline:
            assert client.get("/healthz").status_code == 200
            time.sleep(0.1)
    left = watch.now() - watch.before
    figure(
        f"{CLIENTS} stalled clients, {what}: at most {watch.peak:+.0f} MB, {left:+.0f} MB afterwards; "
        f"a /healthz waited {watch.worst * 1000:.0f} ms at most"
    )
    assert watch.peak <= BOUND
    assert left <= BOUND / 2


@pytest.mark.parametrize("what", READ)
def test_stalled_readers(
    server: Server, names: dict[str, str], figure: Callable[[str], None], what: str
) -> None:
    path, accept = READ[what]
    target = path.format(**names)
    if what not in ENDLESS:
        with suppress(httpx2.HTTPError), httpx2.Client(timeout=30) as client:  # what is made once
            client.get(server.url + target, headers={"Accept": accept})
    watch = Watch(server)
    ask = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: {accept or '*/*'}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stalled(server, stack).sendall(ask.encode())
        watch.look(PATIENCE)
    judge(watch, what, figure)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("path", ["/api/v1/runs", "/runs", SPOKEN])
def test_stalled_writers(server: Server, figure: Callable[[str], None], path: str, chunked: bool) -> None:
    watch = Watch(server)
    size = 8_000_000
    form = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n{form}"
    )
    start = f"{head}\r\n\r\n".encode() + (f"{size:x}\r\n".encode() if chunked else b"")
    part = b"x" * 100_000
    with ExitStack() as stack:
        wires = {stalled(server, stack): 0 for _ in range(CLIENTS)}
        for wire in wires:
            wire.sendall(start)
            wire.setblocking(False)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:  # all send as much as is taken, but for the last bytes
            for wire, sent in wires.items():
                with suppress(BlockingIOError, ConnectionError):
                    wires[wire] += wire.send(part[: min(len(part), size - 1000 - sent)] or b"")
            watch.look(0.05)
    judge(watch, f"{'chunked ' * chunked}bodies to {path}", figure)
