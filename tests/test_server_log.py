"""A server whose standard error takes nothing: it starts, serves, and ends by SIGTERM as any other."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from praisonrun.config import discovery

from .config.test_log import Pipe, full


def unread() -> tuple[int, ...]:
    read, write = os.pipe()
    full(Pipe(read, write))
    return write, read


def left() -> tuple[int, ...]:
    read, write = os.pipe()
    os.close(read)
    return (write,)


def full_disk() -> tuple[int, ...]:
    return (os.open("/dev/full", os.O_WRONLY),)


def stopped_terminal() -> tuple[int, ...]:
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    return theirs, ours


@pytest.fixture(params=[unread, left, full_disk, stopped_terminal], ids=lambda kind: kind.__name__)
def stderr(request: pytest.FixtureRequest) -> Iterator[int]:
    make: Callable[[], tuple[int, ...]] = request.param
    fds = make()
    yield fds[0]
    for fd in fds:
        os.close(fd)


def test_a_log_that_cannot_be_written_stops_nothing(stderr: int, tmp_path: Path, agents_file: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-m", "praisonrun", "serve", "--port", "0", "--state", str(state)]
    server = subprocess.Popen([*command, "--agents", str(agents_file), "--min-free", "0"], stderr=stderr)
    try:
        while (found := discovery.find(state, server.pid)) is None:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with {server.wait(0.01)}")
        with httpx2.Client(base_url=found.url, timeout=10) as client:
            # The agents file is looked at with each request, and each of these is a line of the log.
            for number in range(50):
                agents_file.write_text(f"broken: [{number}")
                assert client.get("/health").json()["status"] == "degraded"
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.wait()


def test_a_spawner_ends_though_nobody_takes_what_it_says() -> None:
    code = (
        "import socket; from praisonrun.process.spawner import become\n"
        "become(socket.socketpair()[0].fileno(), lambda _: 1 / 0)"
    )
    write, read = unread()
    spawner = subprocess.run([sys.executable, "-c", code], stderr=write, timeout=10)
    assert spawner.returncode == -signal.SIGALRM
    os.close(write)
    os.close(read)
