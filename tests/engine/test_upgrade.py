"""Scorecard 32: what an older version left behind opens; what a newer one left is refused and left alone."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from praisonrun.journal import format as journal
from praisonrun.journal.format import START, Kind
from praisonrun.store.database import scripts

from ..rigs.golden import DATABASE, planted
from ..rigs.harness import Json, Server
from ..rigs.places import DATA
from ..rigs.zoo import Receiver, answer

GOLDEN = sorted(DATA.glob("golden-v*"))
FLAGS = ("--retain-days", "0")  # they only get older

pytestmark = pytest.mark.scorecard(32)


def logs(server: Server, run_id: str) -> str:
    with server.client() as client:
        return client.get(f"/api/v1/runs/{run_id}/logs").text


def ask(server: Server, path: str) -> Json:
    with server.client() as client:
        found = client.get(path)
        assert found.status_code == 200, found.text
        return found.json()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_an_old_state_directory_opens_and_is_gone_on_with(golden: Path, tmp_path: Path) -> None:
    with (
        Receiver(answer()) as receiver,
        Server(tmp_path, planted(golden, tmp_path, receiver.port), *FLAGS) as server,
    ):
        server.start()
        assert receiver.next().headers["webhook-id"].startswith("msg_")
        ended = {name: server.ended(f"run_{name}") for name in ("ended_alone", "lost", "queued")}
        what_was_there_is_shown(server)
        assert (ended["ended_alone"]["status"], logs(server, "run_ended_alone")) == (
            "succeeded",
            "up\ndone\n",
        )
        assert (ended["lost"]["failure"], logs(server, "run_lost")) == ("lost", "up\n")
        assert (ended["queued"]["status"], ended["queued"]["attempt"]) == ("succeeded", 1)
        with server.client() as client:
            body = {"agent": "told", "prompt": "x", "session_id": "s", "metadata": {"a": [1]}}
            again = client.post("/api/v1/runs", json=body, headers={"Idempotency-Key": "golden"})
        assert (again.headers["idempotency-replayed"], again.json()["job_id"]) == ("true", "run_succeeded")
        assert ask(server, "/health")["store"]["schema"] == len(scripts())


def what_was_there_is_shown(server: Server) -> None:
    told = ask(server, "/api/v1/runs/run_succeeded/result")
    assert (told["status"], told["result"]) == ("succeeded", {"answer": 42})
    assert sorted(logs(server, "run_succeeded").split()) == ["err", "said"]
    files = ask(server, "/api/v1/runs/run_succeeded/artifacts")["artifacts"]
    assert [(file["path"], file["size"]) for file in files] == [("a.txt", 3)]
    events = ask(server, "/api/v1/runs/run_succeeded/events")
    assert events["done"]
    assert {"progress", "result"} <= {event["event"] for event in events["events"]}
    failed = ask(server, "/api/v1/runs/run_failed")
    assert (failed["status"], failed["exit_code"], failed["failure"]) == ("failed", 7, "exit_nonzero")
    assert ask(server, "/api/v1/runs/run_cancelled")["status"] == "cancelled"
    service = ask(server, "/v1/agent-deployments/web/services/adsvc_service")
    assert (service["status"], service["port"] > 0) == ("stopped", True)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_a_shim_of_an_old_version_writes_on(golden: Path, tmp_path: Path) -> None:
    """This process is the shim: it holds the journal, and writes what the old one wrote."""
    agents = planted(golden, tmp_path)
    path = tmp_path / "state" / "runs" / "run_ended_alone.journal"
    written = path.read_bytes()
    up = next(f for f in journal.decode(written[START:], START) if f.kind is Kind.STDOUT)
    path.write_bytes(written[: up.end])
    with path.open("ab") as shim, Server(tmp_path, agents, *FLAGS) as server:
        fcntl.flock(shim, fcntl.LOCK_EX)
        server.start()
        assert ask(server, "/api/v1/runs/run_ended_alone")["status"] == "running"
        assert logs(server, "run_ended_alone") == "up\n"
        shim.write(written[up.end :])
        shim.close()
        shown = server.ended("run_ended_alone")
        assert (shown["status"], shown["exit_code"]) == ("succeeded", 0)
        assert logs(server, "run_ended_alone") == "up\ndone\n"


@pytest.mark.parametrize("magic", [1, 2])
def test_a_journal_of_a_newer_shim_is_shown_as_far_as_it_is_understood(magic: int, tmp_path: Path) -> None:
    """An unknown kind of frame ends what is read; nothing is read of a journal with another magic number."""
    agents = planted(GOLDEN[-1], tmp_path)
    path = tmp_path / "state" / "runs" / "run_ended_alone.journal"
    made = path.read_bytes()[:START].replace(b"journal 1", b"journal %d" % magic)
    for frame in journal.decode(path.read_bytes()[START:], START):
        made += journal.encode(frame.kind, frame.data, frame.time, len(made))
        if frame.kind is Kind.STDOUT and frame.data == b"up\n":
            made += journal.encode(99, b"something new", frame.time, len(made))
    path.write_bytes(made)
    with Server(tmp_path, agents, *FLAGS) as server:
        server.start()
        shown = server.ended("run_ended_alone")
        assert shown["failure"] == "lost"
        assert ("another version" in shown["error"]) == (magic == 2)
        assert logs(server, "run_ended_alone") == ("up\n" if magic == 1 else "")
        events = ask(server, "/api/v1/runs/run_ended_alone/events")
        assert (events["done"], events["events"][-1]["event"]) == (True, "complete")
        assert ask(server, "/api/v1/runs/run_ended_alone/result")["status"] == "failed"
    assert path.read_bytes().startswith(made)


def files(state: Path) -> dict[str, str]:
    """Return the digest of every file; the lock's says who looked last."""
    found = (path for path in sorted(state.rglob("*")) if path.is_file() and path.name != "server.lock")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows(state: Path, aside: Path) -> list[str]:
    """Return what the database says, by a copy: who closes it last changes its files."""
    shutil.copytree(state, aside)
    with closing(sqlite3.connect(aside / DATABASE)) as db:
        return list(db.iterdump())


def left(server: Server, end: signal.Signals, home: Path) -> Path:
    """Return the state of a newer version that was stopped, or killed with a part of it in the -wal."""
    server.stop(end)
    with closing(sqlite3.connect(server.state / DATABASE)) as db:
        db.execute(f"PRAGMA user_version = {len(scripts()) + 1}")
        shutil.copytree(server.state, home / "killed", ignore=shutil.ignore_patterns("bell", "*-shm"))
    return server.state if end == signal.SIGTERM else home / "killed"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_newer_version_left_is_refused_and_left_alone(
    server: Server, end: signal.Signals, tmp_path: Path
) -> None:
    assert server.ended(server.submit("quick"))["status"] == "succeeded"
    state = left(server, end, tmp_path)
    known, before, said = len(scripts()), files(state), rows(state, tmp_path / "before")
    command = [sys.executable, "-m", "praisonrun", "serve", "--port", "0", "--state", str(state)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert refused.returncode == 2
    for words in (f"schema {known + 1}, known {known}", "newer praisonrun", "upgrade", "--state DIR"):
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert rows(state, tmp_path / "after") == said
    if end == signal.SIGTERM:  # else SQLite has put the -wal where it belongs
        assert files(state) == before
