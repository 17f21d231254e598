"""The table at the end of a run of the proofs, from reports of every kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .rigs.scorecard import ROWS, table


def report(name: str, *rows: int, figures: tuple[str, ...] = (), why: str = "") -> pytest.TestReport:
    """Return the report of a test that shows some rows."""
    made = pytest.TestReport(name, ("f.py", 1, name), {}, "passed", ("f.py", 1, f"Skipped: {why}"), "call")
    made.user_properties = [("scorecard", list(rows)), *(("figure", text) for text in figures)]
    return made


def shown(stats: dict[str, list[pytest.TestReport]]) -> dict[int, list[str]]:
    """Return the results of each row."""
    rows: dict[int, list[str]] = {}
    row = 0
    for line in table(stats):
        row = int(line[:2].strip() or row)
        rows.setdefault(row, []).append(line[4:].removeprefix(ROWS[row]).strip())
    return rows


def test_each_row_says_what_it_came_to() -> None:
    found = shown(
        {
            "passed": [
                report("a", 1, 2, figures=("0 lost",)),
                report("b", 2, 26),
                report("c", 26),
                report("d", 13, figures=("0 left",)),
            ],
            "failed": [report("e", 26, figures=("3 let in",))],
            "skipped": [report("f", 7, why="strace is not installed"), report("g", 7, 26, why="no")],
            "": [report("setup", 9)],
            "error": [report("h", 8)],
        }
    )
    assert found.keys() == ROWS.keys()
    assert found[1] == ["0 lost"]
    assert found[2] == ["see 1", "1 test passed"]
    assert found[7] == ["skipped: no", "skipped: strace is not installed"]
    assert found[8] == ["FAILED: h"]
    assert found[9] == ["not run"]
    assert found[13][0] == "0 left"
    assert "macOS" in found[13][1]
    assert found[25] == ["not run: pytest -m browser"]
    assert found[26] == ["FAILED: e; 3 let in", "2 tests passed", "skipped: no"]


def test_every_row_has_a_test() -> None:
    here = Path(__file__).parent
    marks = [
        m
        for file in here.rglob("test_*.py")
        for m in re.findall(r"mark\.scorecard\((.*?)\)", file.read_text())
    ]
    assert {int(row) for mark in marks for row in re.findall(r"\d+", mark)} == set(ROWS)
