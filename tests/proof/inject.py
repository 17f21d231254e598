"""Faults at single system calls: strace kills the process, or fails the call."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from .world import PATIENCE

CALL = re.compile(r"^(?:(?P<pid>\d+) +)?(?P<name>\w+)\(")
ROLES = ("loop", "log", "pool", "writer", "reader")
"""What the threads of a server do, in the order of their start; later ones are of the pool, too."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What strace saw so far."""

    file: Path

    def lines(self) -> list[str]:
        """Return the calls, a line for each, but not the lines of their returns."""
        text = self.file.read_text(errors="replace") if self.file.exists() else ""
        return [line for line in text.splitlines() if CALL.match(line)]

    def calls(self) -> Counter[tuple[int, str]]:
        """Return how often each thread made each call; the thread is 0 where only one was looked at."""
        found = filter(None, map(CALL.match, self.lines()))
        return Counter((int(match["pid"] or 0), match["name"]) for match in found)

    def killed(self) -> bool:
        """Say whether the process was killed. To be asked when strace is done."""
        return "+++ killed by SIGKILL +++" in self.file.read_text(errors="replace")

    def failed(self) -> int:
        """Return how many calls were made to fail."""
        return self.file.read_text(errors="replace").count("(INJECTED)") if self.file.exists() else 0

    def until_failed(self, count: int) -> None:
        """Return when so many calls were made to fail; strace tells nobody but its file."""
        give_up = time.monotonic() + PATIENCE
        while self.failed() < count:
            assert time.monotonic() < give_up, self.lines()
            threading.Event().wait(0.01)


@contextmanager
def strace(threads: Sequence[int], file: Path, *say: str, whole: bool = False) -> Iterator[Traced]:
    """Have strace look at these threads, and none that they start, inside this block.

    `say` are its expressions (-e); every call that it injects into must be traced, too. `whole`: look at all
    threads of these processes, and those that they start.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    file.unlink(missing_ok=True)
    command = ["strace", "-y", "-o", str(file), *(["-f"] if whole else [])]
    for expression in say:
        command += ["-e", expression]
    for thread in threads:
        command += ["-p", str(thread)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        try:
            for _ in threads:
                if "attached" not in (said := tracer.stderr.readline()):
                    pytest.skip(f"strace may not look at a process here: {said.strip()}")
            yield Traced(file)
        finally:
            tracer.terminate()
            tracer.communicate()


def threads(pid: int) -> dict[str, list[int]]:
    """Return the threads of a server by what they do."""
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    found = sorted(map(int, os.listdir(f"/proc/{pid}/task")), key=lambda thread: (thread - pid) % most)
    first = dict(zip(ROLES, found, strict=False))
    return {role: [thread] for role, thread in first.items()} | {
        "pool": [first["pool"], *found[len(ROLES) :]]
    }


def spawner(server: int) -> int:
    """Return the process that forks a server's shims."""
    children = psutil.Process(server).children()
    (found,) = (child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE)
    return found


def shims(server: int) -> list[int]:
    """Return the shims of a server, idle ones too, the latest last."""
    children = psutil.Process(spawner(server)).children()
    return [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE]
