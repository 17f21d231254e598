"""The server as the first process of a container: it leaves no zombies, and signals reach it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .rigs.harness import Server

ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
AGENTS = """
agents:
  orphans: {command: [/bin/sh, -c, "sleep 0.01 & sleep 600 & kill -9 $PPID; exec sleep 600"], prompt: none}
  says: {command: [/bin/echo, hi], prompt: none}
  waits: {command: [/bin/sleep, "600"], prompt: none, grace: 0.2}
"""


def may_be_alone() -> bool:
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False, timeout=20).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not may_be_alone(), reason="no right to make a PID namespace here")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    with Server(tmp_path, agents) as made:
        made.program = [*ALONE, sys.executable, "-m", "praisonrun"]
        made.start()
        yield made


def init_of(server: Server) -> psutil.Process:
    assert server.process is not None
    (init,) = psutil.Process(server.process.pid).children()
    return init


def zombies(init: psutil.Process) -> list[psutil.Process]:
    """Return those that stay one for a while: each is one for an instant."""
    seen = [child for child in init.children(recursive=True) if is_zombie(child)]
    give_up = time.monotonic() + 5
    while seen and time.monotonic() < give_up:
        seen = [child for child in seen if is_zombie(child)]
    return seen


def is_zombie(child: psutil.Process) -> bool:
    try:
        return child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_orphans_and_killed_helpers_are_reaped(server: Server) -> None:
    init = init_of(server)
    (serving,) = init.children()
    for _ in range(5):
        assert server.ended(server.submit("orphans"))["failure"] == "lost"
        for spawner in serving.children():
            spawner.kill()
        assert server.ended(server.submit("says"))["status"] == "succeeded"
    assert zombies(init) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_its_exit_code_is_the_servers(server: Server, number: int) -> None:
    assert server.process is not None
    os.kill(init_of(server).pid, number)
    assert server.process.wait(20) == 0


def test_a_second_ctrl_c_cancels(server: Server) -> None:
    assert server.process is not None
    assert server.process.stderr is not None
    server.submit("waits")
    init = init_of(server).pid
    os.kill(init, signal.SIGINT)
    for line in server.process.stderr:
        if "press again" in line:
            os.kill(init, signal.SIGINT)
            break
    assert server.process.wait(20) == 0
