"""A real server whose clock is wrong, corrected, set far ahead and back: nothing is removed for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from praisonrun.files.run_files import RunFiles

from ..rigs.harness import Server
from ..rigs.places import PROGRAMS

pytestmark = pytest.mark.proof
DAY = 86_400


class Clocked(Server):
    def set_clock(self, seconds: int) -> None:
        """Set the clock, to some seconds from the right time, and return once retention has looked twice."""
        part = self.home / "part"
        part.write_text(str(seconds))
        part.replace(self.home / "offset")
        if self.process is not None:
            self.looked()
            self.looked()

    def looked(self) -> None:
        """Return once an orphan as old as the epoch was found."""
        journal = RunFiles(self.state).journal("run_orphan")
        os.close(RunFiles(self.state).create("run_orphan"))
        os.utime(journal, (0, 0))
        while journal.exists():
            assert self.process is not None
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"it ended with {self.process.wait(0.02)}")

    def again(self) -> None:
        self.stop()
        self.start()
        self.looked()

    def runs(self) -> set[str]:
        with self.client() as client:
            return {run["job_id"] for run in client.get("/api/v1/runs").json()["jobs"]}


@pytest.fixture
def server(tmp_path: Path, agents_file: Path) -> Iterator[Clocked]:
    made = Clocked(tmp_path, agents_file, "--retain-gb", "0.000001")
    made.program = [sys.executable, str(PROGRAMS / "clocked.py")]
    made.environ["CLOCK_OFFSET"] = str(tmp_path / "offset")
    with made:
        yield made


@pytest.mark.parametrize("story", [
    [-40 * DAY, 0], [14 * 365 * DAY, 0], [-3600, 0], [40 * DAY, -40 * DAY, 0], [-20_000 * DAY, 0],
])  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_goes_because_the_clock_was_set(server: Clocked, story: list[int], restarted: bool) -> None:
    server.set_clock(0)
    server.start()
    made = []
    for offset in [0, *story]:
        server.set_clock(offset)
        if restarted:
            server.again()
        made.append(server.submit("fail", retain_on_failure=True, retention_seconds=600))
        server.ended(made[-1])
        server.looked()
        server.looked()
        assert server.runs() == set(made)
        files = RunFiles(server.state)
        assert all(files.journal(run_id).exists() for run_id in made)
    assert server.stop() == 0
