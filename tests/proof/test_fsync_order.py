"""Scorecard 7: what a 202 acknowledges is on the disk, by the order of the server's system calls."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from .world import World

SUBMITS = 100
CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
SYNCS = ("fdatasync", "fsync")
SENDS = ("sendto", "sendmsg", "write", "writev")
RUN = re.compile(r"run_[0-9a-f]{32}")


@contextmanager
def traced(pid: int, file: Path) -> Iterator[None]:
    """Write what a process and its threads ask of the kernel to `file`, inside this block."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = f"trace=pwrite64,{','.join(SYNCS + SENDS)}"
    command = ["strace", "-f", "-y", "-s", "70000", "-e", calls, "-o", str(file), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace may not look at a process here: {said.strip()}")
        try:
            yield
        finally:
            tracer.terminate()
            tracer.communicate()


def acknowledged(lines: list[str]) -> tuple[set[str], set[str]]:
    """Return the runs whose 202 was sent, and those of them that were on the disk before.

    On the disk is what a write of the log file holds, after which an fsync began that came to its end.
    """
    begun: dict[str, tuple[int, str, str]] = {}
    written: dict[str, int] = {}
    synced = -1
    sent: set[str] = set()
    safe: set[str] = set()
    for at, line in enumerate(lines):
        if match := CALL.match(line):
            begun[match["pid"]] = (at, match["name"], match["rest"])
            if match["name"] in SENDS and "202 Accepted" in match["rest"]:
                runs = set(RUN.findall(match["rest"]))
                sent |= runs
                safe |= {run_id for run_id in runs if written.get(run_id, at) < synced}
        elif not (match := RESUMED.match(line)):
            continue
        if "<unfinished ...>" in line:
            continue
        since, name, asked = begun.pop(match["pid"], (at, "", ""))
        if "praisonrun.db-wal>" in asked and name == "pwrite64":
            for run_id in RUN.findall(asked):
                written.setdefault(run_id, at)
        elif "praisonrun.db-wal>" in asked and name in SYNCS and line.endswith("= 0"):
            synced = since
    return sent, safe


@pytest.mark.scorecard(7)
@pytest.mark.proof
@pytest.mark.parametrize("clients", [1, 8])
def test_a_202_follows_its_fsync(
    world: World, figure: Callable[[str], None], tmp_path: Path, clients: int
) -> None:
    assert world.process is not None
    body = {"agent": "true", "prompt": "x"}
    with traced(world.process.pid, tmp_path / "calls"), ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(lambda _: world.ask("POST", "/api/v1/runs", body), range(SUBMITS)))
    assert [answer.status for answer in answers] == [202] * SUBMITS
    sent, safe = acknowledged((tmp_path / "calls").read_text(errors="replace").splitlines())
    assert sent == {answer.json["job_id"] for answer in answers}
    assert sent == safe, f"{len(sent - safe)} were acknowledged before they were on the disk"
    figure(f"fsync before 202, {clients} clients: {len(safe)}/{SUBMITS}")
