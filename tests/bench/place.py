# ruff: noqa: E501 - agents are one line each
"""Where a benchmark happens: real servers, floors as processes beside them, files that are kept to the end.

Nothing is removed between rounds: a file system may punish whoever reuses what was just deleted.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..rigs.harness import Server
from .client import answers
from .peers import Peers

AGENTS = r"""
default: noop
agents:
  noop:   {command: [/bin/true], prompt: none, files: false}
  parked: {command: [sleep, "3600"], prompt: none, files: false}
  cat:    {command: [cat, "{prompt}"], prompt: arg, files: false}
  stamps:
    # Prints the time, so many lines as the prompt says, one every 3 ms.
    command: ["{python}", -c, "import os,sys,time\nfor _ in range(int(sys.stdin.read())):\n time.sleep(0.003)\n os.write(1, b'%d\\n' % time.monotonic_ns())"]
    files: false
  lines:
    # Waits for a file, then writes lines as fast as it can: file, lines, lines a write.
    command: ["{python}", -c, "import os,sys,time\nname,lines,burst=sys.stdin.read().split()\nos.write(1, b'up\\n')\nwhile not os.path.exists(name): time.sleep(0.001)\nfor at in range(0, int(lines), int(burst)):\n os.write(1, b''.join(b'line %08d\\n' % n for n in range(at, at + int(burst))))"]
    files: false
  events:
    # The same, but every line is an event of its own.
    command: ["{python}", -c, "import os,sys,time\nname,lines=sys.stdin.read().split()\nwhile not os.path.exists(name): time.sleep(0.001)\nfor n in range(int(lines)): os.write(1, b'{\"type\":\"message\",\"text\":\"event %08d\"}\\n' % n)\nos.write(1, b'{\"type\":\"result\",\"result\":1}\\n')"]
    format: jsonl
    files: false
"""


Process = tuple["subprocess.Popen[bytes]", int]
"""A program that was started, and the port on which it will answer."""


@dataclass(slots=True)
class Bench:
    """How much is measured, and where."""

    home: Path
    rounds: int = 5
    scale: float = 1.0
    """Of every count: small for a quick look."""
    peers: Peers = field(default_factory=Peers)
    _made: int = field(default=0)

    def count(self, full: int) -> int:
        """Return how often to do something."""
        return max(1, int(full * self.scale))

    def path(self, name: str) -> Path:
        """Return a path that was not used before."""
        self._made += 1
        return self.home / f"{self._made}-{name}"

    def new_server(self, *flags: str) -> Server:
        """Return a server that was not started yet, with a state directory of its own."""
        agents = self.home / "agents.yaml"
        agents.write_text(AGENTS)
        home = self.path("server")
        home.mkdir()
        return Server(home, agents, *flags)

    @asynccontextmanager
    async def server(self, *flags: str) -> AsyncIterator[Server]:
        """Run `praisonrun serve` on a new state directory inside this block; what it runs ends with it."""
        async with running(self.new_server(*flags)) as server:
            yield server

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[int]:
        """Run the HTTP floor inside this block; yields its port."""
        process, port = self.start_floor()
        try:
            await answers(port)
            yield port
        finally:
            end(process)

    def start_floor(self) -> Process:
        """Start the HTTP floor; return its process and port at once."""
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.floors", "http", str(port), str(self.path("floor.db"))]
        return subprocess.Popen(command, env=installed_environ()), port

    def start_server(self, server: Server | None = None) -> Process:
        """Start a server, by default on a new state directory; return its process and port at once."""
        server, port = server or self.new_server(), free_port()
        command = [sys.executable, "-m", "praisonrun", "serve", "--port", str(port)]
        command += ["--state", str(server.state), "--agents", str(server.agents), "--min-free", "0"]
        return subprocess.Popen(
            [*command, *server.flags], stderr=subprocess.DEVNULL, env=installed_environ()
        ), port


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    """Run a server inside this block; what it runs ends with it."""
    server.start()
    try:
        yield server
    finally:
        cancel_live(server)
        server.stop()


def installed_environ() -> dict[str, str]:
    """Return an environment in which an installed program starts: with its bytecode compiled."""
    ours = ("PRAISONRUN_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def fan_floor(viewers: int, events: int, size: int) -> Iterator[int]:
    """Run the fan-out floor inside this block; yields its port."""
    command = [sys.executable, "-m", "tests.bench.floors", "fan", str(viewers), str(events), str(size)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as said:
        try:
            yield int(said.readline())
        finally:
            end(process)


def cancel_live(server: Server) -> None:
    """Cancel what runs now; what waits is left to a server that is about to stop."""
    with server.client() as http:
        for run_id in running_ids(server):
            http.post(f"/api/v1/runs/{run_id}/cancel")


def running_ids(server: Server) -> list[str]:
    """Return the runs that are live."""
    found: list[str] = []
    with server.client() as http:
        while True:
            page = f"page_size=100&page={len(found) // 100 + 1}"
            jobs = http.get(f"/api/v1/runs?status=running&{page}").json()["jobs"]
            found += [job["job_id"] for job in jobs]
            if len(jobs) < 100:
                return found


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process politely and wait."""
    process.terminate()
    process.wait(20)


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, to the nanosecond where the system tells."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
