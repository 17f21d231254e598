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

from ..harness import Server
from .client import answers

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


@dataclass(slots=True)
class Bench:
    """How much is measured, and where."""

    home: Path
    rounds: int = 5
    scale: float = 1.0
    """Of every count: small for a quick look."""
    _made: int = field(default=0)

    def count(self, full: int) -> int:
        """Return how often to do something."""
        return max(1, int(full * self.scale))

    def path(self, name: str) -> Path:
        """Return a path that was not used before."""
        self._made += 1
        return self.home / f"{self._made}-{name}"

    def _server(self, *flags: str) -> Server:
        agents = self.home / "agents.yaml"
        agents.write_text(AGENTS)
        home = self.path("server")
        home.mkdir()
        return Server(home, agents, *flags)

    @asynccontextmanager
    async def server(self, *flags: str) -> AsyncIterator[Server]:
        """Run `praisonrun serve` inside this block; what it runs ends with it."""
        server = self._server(*flags)
        server.start()
        try:
            yield server
        finally:
            cancel_live(server)
            server.stop()

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[int]:
        """Run the HTTP floor inside this block; yields its port."""
        process, port = self.start_floor()
        try:
            await answers(port)
            yield port
        finally:
            end(process)

    def start_floor(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start the HTTP floor; return its process and port at once."""
        port = free_port()
        command = [sys.executable, "-m", "tests.bench.floors", "http", str(port), str(self.path("floor.db"))]
        return subprocess.Popen(command, env=_environ()), port

    def start_server(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start the server on a new state directory; return its process and port at once."""
        server, port = self._server(), free_port()
        command = [sys.executable, "-m", "praisonrun", "serve", "--port", str(port)]
        command += ["--state", str(server.state), "--agents", str(server.agents), "--min-free", "0"]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, env=_environ()), port


def _environ() -> dict[str, str]:
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
    """Cancel what still runs or waits, running last: a freed slot would start the next."""
    with server.client() as http:
        running = http.get("/api/v1/runs?status=running").json()["jobs"]
        for job in running:
            http.post(f"/api/v1/runs/{job['job_id']}/cancel")


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
