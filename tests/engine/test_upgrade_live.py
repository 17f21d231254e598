"""Live runs of an earlier commit are taken over by this one: old shims meet a new server.

The earlier commit comes from the history of this checkout: a shallow clone has none.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import psutil
import pytest

from ..rigs.harness import Json, Server, Sse, alive
from ..rigs.places import ROOT

pytestmark = [pytest.mark.upgrade, pytest.mark.scorecard(32)]

EARLIER = "fbfe9a7"
"""The last commit before the folders were put in order, whose shims may still be alive."""
AGENTS = """
agents:
  until:
    command:
    - "{python}"
    - -uc
    - |
      import json, os, sys, time
      name = sys.stdin.read()
      events = open(os.environ["PRAISONRUN_EVENTS"], "w", buffering=1)
      print(json.dumps({"usage": {"input_tokens": 7}}), file=events)
      open(os.environ["PRAISONRUN_ARTIFACTS"] + "/left", "w").write("by the agent")
      print("up")
      while not os.path.exists(name): time.sleep(0.01)
      for number in range(1000): print("line", number)
  long: {command: [/bin/sleep, "600"], prompt: none, files: false, grace: 0.2}
  one: {command: [/bin/echo, done], prompt: none, concurrency: 1}
  web:
    mode: service
    command: ["{python}", -m, http.server, "{port}", --bind, 127.0.0.1]
    port: auto
    grace: 1
    readiness: {type: http, path: /}
"""
RUNS, SERVICES = "/api/v1/runs", "/v1/agent-deployments/web/services"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the earlier commit, in a directory that can stand on PYTHONPATH."""
    found = subprocess.run(["git", "archive", EARLIER, "praisonrun"], cwd=ROOT, capture_output=True)
    if found.returncode:
        pytest.skip(f"this checkout has no commit {EARLIER}: {found.stderr.decode().strip()}")
    place = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Server]:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    with Server(tmp_path, agents) as server:
        yield server


def be(server: Server, code: Path | None) -> None:
    """Have the next start run the code at a place, None for this checkout's."""
    server.environ.pop("PYTHONPATH", None)
    if code is not None:
        server.environ["PYTHONPATH"] = str(code)


def version(server: Server) -> str:
    command = [sys.executable, "-c", "import praisonrun; print(praisonrun.__version__)"]
    done = subprocess.run(command, env=server.environ, cwd=server.home, capture_output=True, text=True)
    return done.stdout.strip()


def ask(server: Server, path: str, body: Json = None, **headers: str) -> Json:
    with server.client() as client:
        found = client.get(path) if body is None else client.post(path, json=body, headers=headers)
        assert found.status_code < 300, found.text
        return found.json()


def until(server: Server, path: str, status: str) -> Json:
    while (shown := ask(server, path))["status"] != status:
        pass
    return shown


def process_of(run_id: str) -> int:
    """Return the pid of a run's agent: the marked process whose parent is not."""
    marked = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("PRAISONRUN_RUN_ID") == run_id:
                marked[process.pid] = process.ppid()
        except psutil.Error:
            continue
    [pid] = [pid for pid, parent in marked.items() if parent not in marked]
    return pid


@pytest.mark.parametrize("going", [signal.SIGKILL, signal.SIGTERM])
def test_live_runs_change_their_server(house: Server, earlier: Path, going: int) -> None:
    be(house, earlier)
    before = version(house)
    house.start()
    go = house.home / "go"
    live = house.submit("until", str(go), webhook_url=None)
    ended = house.submit("one")
    kept = house.ended(ended)
    service = ask(house, SERVICES, {}, **{"Idempotency-Key": "k"})["id"]
    running = until(house, f"{SERVICES}/{service}", "ready")
    seen = []
    with house.client() as client, client.stream("GET", f"{RUNS}/{live}/stream") as stream:
        for number, name, data in Sse(stream.iter_lines()):
            seen.append((number, name, data))
            if name == "log":
                break
    pid = process_of(live)
    house.stop(going)
    assert alive(pid)

    be(house, None)
    assert version(house) != before
    house.start()
    assert process_of(live) == pid
    go.touch()
    shown = house.ended(live)
    assert (shown["status"], shown["exit_code"], shown["attempt"]) == ("succeeded", 0, 1)
    with house.client() as client:
        assert client.get(f"{RUNS}/{live}/logs").text == "up\n" + "".join(f"line {n}\n" for n in range(1000))
        after = {"Last-Event-ID": str(seen[-1][0])}
        with client.stream("GET", f"{RUNS}/{live}/stream", headers=after) as stream:
            rest = list(Sse(stream.iter_lines()))
        with client.stream("GET", f"{RUNS}/{live}/stream") as stream:
            whole = list(Sse(stream.iter_lines()))
        # Earlier servers told nothing of attempts; what they told has the same ids for ever.
        told = [number for number, name, _ in whole if name != "attempt"]
        assert [number for number, name, _ in seen + rest if name != "attempt"] == told
        assert whole[-len(rest) :] == rest
        assert client.get(f"{RUNS}/{live}/artifacts/left").text == "by the agent"
        assert client.get(f"{RUNS}/{ended}").json()["completed_at"] == kept["completed_at"]
        assert client.post(f"{RUNS}/{ended}/retry").status_code == 202
    again = until(house, f"{SERVICES}/{service}", "ready")
    assert (again["process_id"], again["port"]) == (running["process_id"], running["port"])
    ask(house, f"{SERVICES}/{service}/stop", {})
    assert not alive(running["process_id"])
    folder = house.state / "runs" / live
    assert sorted(path.name for path in folder.iterdir()) == ["artifacts"]  # the shim removed the rest


def test_an_earlier_server_leaves_a_newer_directory_and_its_runs_alone(house: Server, earlier: Path) -> None:
    house.start()
    live = house.submit("until", str(house.home / "go"))
    until(house, f"{RUNS}/{live}", "running")
    pid = process_of(live)
    house.stop(signal.SIGTERM)
    be(house, earlier)
    with pytest.raises(AssertionError, match="made by a newer praisonrun"):
        house.start()
    house.stop()
    assert alive(pid)
    be(house, None)
    house.start()
    (house.home / "go").touch()
    assert house.ended(live)["status"] == "succeeded"


_MANY = """
    WITH RECURSIVE generate(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM generate WHERE n < {count})
    INSERT INTO runs ({columns}) SELECT {values} FROM runs, generate WHERE runs.id = ?
"""


def more_rows(database: Path, run_id: str, count: int) -> None:
    """Repeat the row of a run, as often as wanted, under other ids."""
    with closing(sqlite3.connect(database)) as db, db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(runs)") if row[1] != "seq"]
        values = ["'run_' || printf('%032x', n)" if name == "id" else name for name in columns]
        sql = _MANY.format(count=count, columns=", ".join(columns), values=", ".join(values))
        db.execute(sql, (run_id,))


@pytest.mark.timeout(240)
def test_200_live_runs_and_100_000_rows_are_taken_over(
    house: Server, earlier: Path, figure: Callable[[str], None]
) -> None:
    house.flags = ("--concurrency", "200", "--retain-days", "0", "--retain-gb", "0")
    be(house, earlier)
    house.start()
    kept = house.submit("one", "say " * 180)
    house.ended(kept)
    live = [house.submit("long") for _ in range(200)]
    for run_id in live:
        until(house, f"{RUNS}/{run_id}", "running")
    agents = {process_of(run_id) for run_id in live}
    house.kill()
    more_rows(house.state / "praisonrun.db", kept, 100_000)
    be(house, None)
    started = time.monotonic()
    house.start()
    figure(
        f"200 live runs and 100 000 rows of {EARLIER} were taken over in {time.monotonic() - started:.1f} s"
    )
    assert any("upgrading 100201 runs" in line for line in house.said)
    assert all(alive(pid) for pid in agents)
    assert ask(house, "/stats")["live"] == 200
    for run_id in live:
        ask(house, f"{RUNS}/{run_id}/cancel", {})
    assert {house.ended(run_id)["status"] for run_id in live} == {"cancelled"}
    assert not any(alive(pid) for pid in agents)
