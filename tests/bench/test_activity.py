"""The counters of what ended are read in no time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from praisonrun.store import HOUR, Ended, database
from praisonrun.store.activity import activity
from praisonrun.store.usage import usage


@pytest.mark.bench
def test_a_month_of_a_million_runs_is_read_in_milliseconds(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as db:
        database.prepare_writer(db, tmp_path / "x.db")
        rows = [(hour * HOUR, f"agent {n}", 135, 3, 1, 0, 0, 0) for hour in range(744) for n in range(10)]
        db.execute("BEGIN")
        db.executemany("INSERT INTO activity VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("COMMIT")
        questions = {
            "activity": lambda: activity(db, 0, 743 * HOUR).agents["agent 3"],
            "usage by agent": lambda: usage(db, "agent", 0).rows["agent 3"],
            "usage by day": lambda: usage(db, "day", 0).rows["1970-01-02"],
        }
        took = {name: fastest(ask) for name, ask in questions.items()}
    for name, seconds in took.items():
        figure(f"the {name} of a month, 744 hours and 10 agents, was read in {seconds * 1e3:.1f} ms")
    assert took.pop("activity") < 0.007  # two questions
    assert max(took.values()) < 0.005


def fastest(ask: Callable[[], Ended]) -> float:
    """Return the seconds of the fastest of 20 answers."""
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert ask().ended in (744 * 135, 240 * 135)
        took.append(time.perf_counter() - began)
    return min(took)
