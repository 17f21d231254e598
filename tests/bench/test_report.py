"""The benchmarks' own arithmetic: ratios in pairs, goals that need a peer, the table, the shelf."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from . import __main__ as command
from . import peers, report, shelf
from .place import Bench, running
from .rows import Figures, Goal, Row, percentiles, turns

ROW = Row("submit", "ms", (2.0, 4.0, 8.0), (1.0, 2.0, 8.0), "bare", (Goal("<=", 5), Goal("<=", 3, "ratio")))


def test_a_ratio_is_of_the_same_round() -> None:
    assert ROW.figure == 4
    assert ROW.ratio == 2


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal("<=", 4), True),
        (Goal("<=", 3.9), False),
        (Goal(">=", 2, "ratio"), True),
        (Goal(">=", 2.1, "ratio"), False),
        (Goal("<=", 0.5, "huey"), True),
        (Goal("<=", 0.4, "huey"), False),
        (Goal("<=", 1, "celery"), None),
    ],
)
def test_a_goal_is_of_the_figure_the_floor_or_a_peer(goal: Goal, holds: bool | None) -> None:
    row = Row("submit", "ms", (2.0, 4.0, 8.0), (1.0, 2.0, 8.0), "bare", (goal,), {"huey": (4.0, 8.0, 16.0)})
    assert row.holds is holds
    assert row.unmeasured == ([goal] if holds is None else [])


async def test_turns_warm_up_and_alternate() -> None:
    told: list[str] = []

    def measure(name: str, values: Iterator[int]) -> Figures:
        told.append(name)
        return {"n": next(values)}

    values = iter(range(6))

    async def ours() -> Figures:
        return measure("ours", values)

    async def floor() -> Figures:
        return measure("floor", values)

    assert await turns(2, ours, floor) == [[{"n": 2}, {"n": 4}], [{"n": 3}, {"n": 5}]]
    assert told == ["ours", "floor"] * 3


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([number / 1000 for number in range(1, 101)]) == {"p50": 51, "p99": 100}


def test_the_table_and_the_json_say_the_same() -> None:
    missed = Row("start", "ms", (900.0,), goals=(Goal("<=", 250),), peers={"huey": (1800.0,)})
    alone = Row("runs", "ms", (1.0,), goals=(Goal("<=", 1, "celery"),))
    lines = report.table([ROW, missed, alone], {"crews": "not built yet"}).splitlines()
    assert "huey (ratio)" in lines[0]
    assert " ".join(lines[1].split()) == "submit 4 ms 2..8 2 bare 2.00 - <= 5, <= 3 of floor yes"
    assert " ".join(lines[2].split()).endswith("- 1,800 (0.50) <= 250 NO")
    assert lines[-2:] == [
        "not measured: runs <= 1 of celery: no such peer in this run",
        "not measured: crews: not built yet",
    ]
    plain = json.loads(json.dumps(report.as_json({"cores": "2"}, [ROW, missed], {})))
    assert [row["holds"] for row in plain["rows"]] == [True, False]
    assert plain["rows"][1]["peers"]["huey"] == {"rounds": [1800.0], "median": 1800.0, "ratio": 0.5}


def test_the_machine_is_named(tmp_path: Path) -> None:
    facts = report.machine(tmp_path)
    assert all(facts[name] for name in ("cores", "kernel", "python", "file system"))


def test_names_come_with_commas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "noop,start", "--peers", "huey,task-spooler"])
    asked = command._asked()
    assert (asked.only, asked.peers) == (["noop", "start"], ["huey", "task-spooler"])
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "noop,nope"])
    with pytest.raises(SystemExit):
        command._asked()
    assert "unknown: nope" in capsys.readouterr().err


def test_a_peer_is_not_installed_twice_and_a_missing_one_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "huey").mkdir()
    wanted = json.dumps({"package": peers.PACKAGES["huey"], "python": sys.version})
    (tmp_path / "huey" / "installed.json").write_text(wanted)
    monkeypatch.setenv("PATH", "")
    assert peers.prepare(["huey"], tmp_path).pythons == {"huey": tmp_path / "huey" / "bin" / "python"}
    with pytest.raises(peers.NotInstalled, match="apt install"):
        peers.prepare([peers.TASK_SPOOLER], tmp_path)


async def test_a_filled_shelf_is_a_store_like_any_other(tmp_path: Path) -> None:
    server = await shelf.filled(Bench(tmp_path), 30)
    async with running(server):
        with server.client() as client:
            page = client.get("/api/v1/runs").json()
            oldest = client.get(f"/api/v1/runs/{shelf.name(1)}").json()
    assert page["total"] == 30
    assert [job["job_id"] for job in page["jobs"]] == [shelf.name(number) for number in range(30, 10, -1)]
    assert {job["status"] for job in page["jobs"]} == {"succeeded"}
    assert oldest["created_at"] < page["jobs"][0]["created_at"]
    with closing(sqlite3.connect(server.state / "praisonrun.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        nulls = db.execute("SELECT count(*) FROM runs WHERE key IS NULL OR metrics IS NULL").fetchone()
    assert nulls == (0,)
