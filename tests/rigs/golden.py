"""Makes a golden state directory, as this version leaves one behind: `python -m tests.rigs.golden DIRECTORY`.

Every later version must open it. The database is kept as SQL, the journals as their bytes; what belongs
to the machine and the moment (its boot, its home, a receiver's port) is named, to be put in by `planted`;
the place where it was made is left out: wherever it is planted is no copy.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from praisonrun.config.settings import boot_id
from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.format import Kind

from .harness import Server

AGENTS = """
default: quick
agents:
  quick: {command: [/bin/true], prompt: none, files: false}
  told:
    command: [/bin/sh, -c, 'echo said; echo err >&2; echo ''{"percentage": 50, "step": "half"}'' > "$PRAISONRUN_EVENTS"; echo ''{"answer": 42}'' > "$PRAISONRUN_RESULT_PATH"; echo hi > "$PRAISONRUN_ARTIFACTS/a.txt"']
  fail:  {command: [/bin/sh, -c, "echo no; exit 7"], prompt: none}
  until: {command: [/bin/sh, -c, 'echo up; read gate; while ! test -e "$gate"; do sleep 0.05; done; echo done'], files: false}
  web:   {mode: service, command: [/bin/sleep, "60"], port: auto, readiness: {type: timeout, timeout_seconds: 1}}
"""  # noqa: E501
NO_PID = 1 << 22
"""Beyond what a system gives: nobody's, whenever the directory is opened."""
DATABASE = "praisonrun.db"
MARKS = ("application_id", "user_version")
FINAL = ("succeeded", "failed", "cancelled", "owed", "service")
NAMES = (*FINAL, "ended_alone", "lost", "queued")
"""What became of each run; `owed` is told to nobody yet, `lost` will be found so."""
NOBODY = "127.0.0.1:9"
"""A receiver that is not there."""


def made(home: Path) -> dict[str, str]:
    """Let a server leave its state behind in `home`; return the ids of its runs by what became of them."""
    agents, gate = home / "agents.yaml", home / "gate"
    agents.write_text(AGENTS)
    with Server(home, agents, "--concurrency", "2") as server:
        server.start()
        ids = _final(server)
        with server.client() as client:
            for name in ("ended_alone", "lost"):
                ids[name] = server.submit("until", str(gate))
                with client.stream("GET", f"/api/v1/runs/{ids[name]}/logs?follow") as answer:
                    assert next(answer.iter_text()) == "up\n"
        ids["queued"] = server.submit("quick")
        server.kill()
        runs = RunFiles(server.state)
        os.kill(runs.tail(ids["lost"]).started["shim"], signal.SIGKILL)
        gate.touch()
        with closing(os.fdopen(runs.open_read(ids["ended_alone"]))) as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # waits until the shim lets go
    return ids


def _final(server: Server) -> dict[str, str]:
    ids: dict[str, str] = {}
    with server.client() as client:
        key = {"Idempotency-Key": "golden"}
        body = {"agent": "told", "prompt": "x", "session_id": "s", "metadata": {"a": [1]}}
        ids["succeeded"] = client.post("/api/v1/runs", json=body, headers=key).json()["job_id"]
        ids["failed"] = server.submit("fail")
        ids["cancelled"] = server.submit("until", "/nowhere")
        client.post(f"/api/v1/runs/{ids['cancelled']}/cancel")
        ids["owed"] = server.submit("quick", webhook_url=f"http://{NOBODY}/hook")
        for name in ("succeeded", "failed", "owed"):
            server.ended(ids[name])
        while not client.get(f"/api/v1/runs/{ids['owed']}/deliveries").json()["deliveries"][0]["attempts"]:
            pass
        services = "/v1/agent-deployments/web/services"
        service = client.post(services, json={}, headers={"Idempotency-Key": str(uuid.uuid4())}).json()["id"]
        assert client.post(f"{services}/{service}/stop", json={}).status_code == 200
        ids["service"] = "run_" + service.removeprefix("adsvc_")
    return ids


def keep(home: Path, ids: Mapping[str, str], place: Path) -> None:
    """Write what a server left in `home` to the golden directory `place`."""
    shutil.rmtree(place, ignore_errors=True)
    runs = RunFiles(home / "state")
    shutil.copytree(runs.folder(ids["succeeded"]), place / "runs" / "succeeded")
    with closing(sqlite3.connect(home / "state" / DATABASE)) as db:
        marks = [f"PRAGMA {n} = {db.execute(f'PRAGMA {n}').fetchone()[0]};" for n in MARKS]
        dump = (line for line in db.iterdump() if not line.startswith('INSERT INTO "place"'))
        text = "\n".join([*marks, *dump, ""])
    for name, run_id in ids.items():
        text = text.replace(run_id, f"@{name}@")
        if name != "queued":
            written = runs.journal(run_id).read_bytes()
            (place / "runs" / f"{name}.journal").write_bytes(written if name in FINAL else nobody(written))
    for found, named in ((boot_id(), "@boot@"), (str(home), "@home@"), (NOBODY, "@receiver@")):
        text = text.replace(found, named)
    (place / "state.sql").write_text(text)
    (place / "agents.yaml").write_text(AGENTS)


def nobody(written: bytes) -> bytes:
    """Return a journal whose processes are nobody's; only of a run whose row names no place in it."""
    made = written[: journal.START]
    for frame in journal.decode(written[journal.START :], journal.START):
        data = frame.data
        if frame.kind is Kind.STARTED:
            started = json.loads(data)
            data = json.dumps({**started, **dict.fromkeys(started.keys() & {"shim", "pid"}, NO_PID)}).encode()
        made += journal.encode(frame.kind, data, frame.time, len(made))
    return made


def planted(golden: Path, home: Path, receiver: int = 9) -> Path:
    """Make a state directory of a golden one: `home`/state, its runs called run_ and their name.

    Webhooks go to the port `receiver` of this machine. Returns the path of its agents file.
    """
    state = home / "state"
    state.mkdir(0o700)
    shutil.copytree(golden / "runs", state / "runs")
    for path in (state / "runs").iterdir():
        path.rename(path.with_name(f"run_{path.name}"))
    text = (golden / "state.sql").read_text()
    put = {"boot": boot_id(), "home": str(home), "receiver": f"127.0.0.1:{receiver}"}
    for name, value in {**{name: f"run_{name}" for name in NAMES}, **put}.items():
        text = text.replace(f"@{name}@", value)
    with closing(sqlite3.connect(state / DATABASE)) as db:
        db.executescript(text)
    (home / "agents.yaml").write_text((golden / "agents.yaml").read_text())
    return home / "agents.yaml"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        keep(Path(directory), made(Path(directory)), Path(sys.argv[1]))
