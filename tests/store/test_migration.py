"""Schema 1 becomes schema 2: whole or not at all, with every row, however damaged, wherever it is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from praisonrun.core.errors import ConfigError
from praisonrun.store import Find, Store, database
from praisonrun.store.directory import DATABASE

_INSERT = """
    INSERT INTO runs (id, agent, version, mode, status, created_at, updated_at, due_at, started_at,
        finished_at, priority, retries, backoff, attempt, failure, boot, webhook_reach, held, env_names,
        prompt)
    VALUES (:id, 'a', 'v', 'run', :status, 1, 1, :due_at, :started_at, :finished_at,
        0, 0, 1, :attempt, :failure, 'b', 'public', 0, '[]', :prompt)
"""
HOUR = 3_600_000_000
_KILLED_AFTER = """
import os, signal, sqlite3, sys
from pathlib import Path
from praisonrun.store import database
path = Path(sys.argv[1])
db = sqlite3.connect(path, isolation_level=None)
steps = [0]
def tick():
    steps[0] += 1
    if steps[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
db.set_progress_handler(tick, 50)
database.prepare_writer(db, path)
print(steps[0])
"""


def row(run_id: str, status: str = "queued", prompt: str = "x", **more: object) -> dict[str, object]:
    over = status not in ("queued", "running")
    return {
        "id": run_id,
        "status": status,
        "prompt": prompt,
        "due_at": 5,
        "started_at": 3 if status != "queued" else None,
        "finished_at": 2 * HOUR + 7 if over else None,
        "attempt": int(status != "queued"),
        "failure": "lost" if status == "failed" else None,
        **more,
    }


def version_1(path: Path, *rows: dict[str, object]) -> sqlite3.Connection:
    """Make a database of schema 1 that has these runs."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    database.prepare_writer(db, path, database.scripts()[:1])
    db.executemany(_INSERT, rows)
    return db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / DATABASE


async def test_rows_come_along_with_what_is_new(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        row("fresh", prompt="\n  \x1b[31m Fix\tthe\x07 bug \nand more"),
        row("retry", due_at=77, attempt=1, started_at=3),
        row("good", "succeeded", "y" * 500),
        row("bad", "failed", ""),
    ]
    with contextlib.closing(version_1(path, *rows)) as db:
        owed = "'http://x/', 'x', 'run.failed', 'pending', 1, 2, 3, NULL"
        db.execute(f"INSERT INTO deliveries SELECT 'd', seq, {owed} FROM runs WHERE id = 'bad'")
        db.execute("INSERT INTO delivery_attempts VALUES (1, 'd', 4, 0.5, 500, NULL, NULL)")
    with caplog.at_level("INFO"):
        async with Store.open(path.parent) as store:
            found = {run.id: run for run in (await store.find(Find(full=True))).runs}
            assert found["good"].prompt == "y" * 500
            [log] = await store.outbox.of_run("bad")
            assert (log.delivery.attempts, len(log.attempts)) == (1, 1)
    assert [record.message for record in caplog.records] == ["upgrading 4 runs"]
    with contextlib.closing(sqlite3.connect(path)) as db:
        kept = {row[0]: row[1:] for row in db.execute("SELECT id, title, due_at, rev, claim FROM runs")}
        assert kept["fresh"] == ("[31m Fix the bug", 0, 1, None)
        assert kept["retry"][1] == 77
        assert kept["good"][0] == "y" * 120
        assert db.execute("SELECT hour, agent, ended, failed, cancelled FROM activity").fetchall() == [
            (2 * HOUR, "a", 2, 1, 0)
        ]
        assert dict(db.execute("SELECT status, n FROM counts")) == {"queued": 2, "succeeded": 1, "failed": 1}


async def test_a_damaged_row_keeps_no_server_from_starting(path: Path) -> None:
    with contextlib.closing(version_1(path, row("good"), row("bad"), row("worse", prompt="z"))) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE runs SET status = 'paused', labels = 'no JSON' WHERE id = 'bad'")
        db.execute("UPDATE runs SET prompt = CAST(X'41FF0A42' AS TEXT) WHERE id = 'worse'")
    async with Store.open(path.parent) as store:
        assert (await store.get("good")).status == "queued"
        assert (await store.get("bad")).status == "failed"
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT title FROM runs WHERE id = 'worse'").fetchone() == ("A\ufffd",)


async def test_without_room_nothing_is_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_1(path, row("one")).close()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**12, 0, path.stat().st_size - 1))
    with pytest.raises(ConfigError, match="free some space and start again"):
        async with Store.open(path.parent):
            pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def killed_after(path: Path, steps: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _KILLED_AFTER, str(path), str(steps)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def killed_everywhere(path: Path, runs: int, points: int) -> None:
    """Kill an upgrade at so many points, evenly spread; after each the file opens and has all runs."""
    path.parent.mkdir(mode=0o700)
    rows = [row(f"run_{n}", ("queued", "succeeded", "failed")[n % 3], f"say {n}") for n in range(runs)]
    whole = path.with_name("whole.db")
    version_1(whole, *rows).close()
    path.write_bytes(whole.read_bytes())
    steps = int(killed_after(path, 0).stdout)
    killed = 0
    for point in range(1, steps + 1, max(1, steps // points)):
        for old in path.parent.glob(f"{DATABASE}*"):
            old.unlink()
        path.write_bytes(whole.read_bytes())
        killed += killed_after(path, point).returncode == -signal.SIGKILL
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            database.prepare_writer(db, path)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("SELECT count(*), count(DISTINCT rev) FROM runs").fetchone() == (runs, runs)
            assert db.execute("SELECT sum(ended) FROM activity").fetchone() == (runs - (runs + 2) // 3,)
    assert killed >= points


@pytest.mark.scorecard(32)
def test_an_upgrade_that_is_killed_starts_again(path: Path) -> None:
    killed_everywhere(path, 300, 6)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_an_upgrade_is_killed_at_many_points(path: Path) -> None:
    killed_everywhere(path, 3000, 150)


@pytest.mark.proof
@pytest.mark.timeout(120)
def test_100_000_runs_are_upgraded_in_5_seconds(path: Path, figure: Callable[[str], None]) -> None:
    version_1(path, *(row(f"run_{n}", "succeeded", "say " * 180) for n in range(100_000))).close()
    size = os.path.getsize(path) / 1e6
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        started = time.monotonic()
        database.prepare_writer(db, path)
        took = time.monotonic() - started
    figure(f"100 000 runs of {size:.0f} MB were upgraded in {took:.1f} s")
    assert took < 5
