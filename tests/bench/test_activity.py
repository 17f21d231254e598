"""The counters of what ended are read in no time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from praisonrun.store import HOUR, database
from praisonrun.store.activity import activity


@pytest.mark.bench
def test_a_month_of_a_million_runs_is_read_in_5_ms(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as db:
        database.prepare_writer(db, tmp_path / "x.db")
        rows = [(hour * HOUR, f"agent {n}", 135, 3, 1, 0, 0, 0) for hour in range(744) for n in range(10)]
        db.execute("BEGIN")
        db.executemany("INSERT INTO activity VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("COMMIT")
        took = []
        for _ in range(20):
            began = time.perf_counter()
            assert activity(db, 0, 743 * HOUR).agents["agent 3"].ended == 744 * 135
            took.append(time.perf_counter() - began)
    figure(f"the activity of a month, 744 hours and 10 agents, was read in {min(took) * 1e3:.1f} ms")
    assert min(took) < 0.005
