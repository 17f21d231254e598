"""What the proofs stand on: a seed, agents, clients that outlive a killed server, a look at /proc."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.reader import Reader

from ..rigs.harness import Server, alive
from ..rigs.places import PROGRAMS

Json = Any
HERE = Path(__file__).parent
ASKED = {
    "worker": "worker", "gated": "gated", "flood": "flooder", "lines": "flooder", "asker": "asker",
    "permitter": "permitter",
}  # fmt: skip
"""Agents that their prompt tells what to do."""
DEAF = ("daemon", "sitter", "stubborn", "forker", "stopped")
"""Forked twice, a session of its own, deaf, a storm of 400, stopped."""
GRACE = 0.5
"""Seconds that these are given."""
PATIENCE = 30.0
"""Seconds after which something that is waited for is held to hang."""


def seed() -> int:
    """Return the seed of this run, from PRAISONRUN_SEED or by chance; tests/scorecard.py prints it."""
    chosen = int(os.environ.get("PRAISONRUN_SEED") or random.SystemRandom().getrandbits(32))
    os.environ["PRAISONRUN_SEED"] = str(chosen)
    return chosen


def agents(home: Path) -> Path:
    """Write an agents.yaml with everything that the proofs run."""
    python = ["{python}", "-I", "-S", "-u"]
    entries: dict[str, dict[str, Json]] = {
        name: {"command": [*python, f"{HERE}/{file}.py"]} for name, file in ASKED.items()
    }
    for name in (*DEAF, "leaver", "slow"):
        command = [*python, f"{PROGRAMS}/{name}.py", "stay"]
        entries[name] = {"command": command, "prompt": "none", "grace": GRACE}
    entries["true"] = {"command": ["/bin/true"], "prompt": "none"}
    entries["worker"] |= {"env": {"STARTS": f"{home}/starts"}, "backoff": 0.02, "grace": GRACE}
    entries["lines"] |= {"format": "jsonl"}
    for name, entry in entries.items():
        entry["files"] = name in ("asker", "permitter")
    file = home / "agents.yaml"
    file.write_text(json.dumps({"default": "worker", "agents": entries}))
    return file


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class World(Server):
    """A server that is killed and started again while clients go on."""

    def __init__(self, home: Path, *flags: str) -> None:
        super().__init__(home, agents(home), *flags)
        self.up = threading.Event()
        """Set while the server is meant to answer."""
        self.patience = PATIENCE

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        Server.kill(self)
        for pid in self.marked():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start(self, *flags: str) -> None:
        super().start(*flags)
        self.up.set()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.up.clear()
        return super().stop(number)

    def ask(self, method: str, path: str, body: Json = None, *, key: str = "", after: int = 0) -> Answer:
        """Return the answer to one request. OSError, HTTPException: the server went."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Last-Event-ID": str(after)} if after else {}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)) as line:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            got = line.getresponse()
            return Answer(got.status, {n.lower(): v for n, v in got.getheaders()}, got.read())

    def insist(self, method: str, path: str, body: Json = None, *, key: str = "") -> Answer:
        """Return the answer to a request, asked again for as long as the server is killed meanwhile."""
        while True:
            assert self.up.wait(PATIENCE)
            try:
                return self.ask(method, path, body, key=key)
            except TimeoutError:
                raise  # it hangs, and was not killed
            except (OSError, http.client.HTTPException):
                continue

    def submitted(self, agent: str, prompt: str = "x", **more: Json) -> str:
        """Submit a run, surely once, and return its id."""
        key = f"k{random.SystemRandom().getrandbits(64):x}"
        answer = self.insist("POST", "/api/v1/runs", {"agent": agent, "prompt": prompt, **more}, key=key)
        assert answer.status == 202, answer
        return str(answer.json["job_id"])

    def final(self, run_id: str) -> Json:
        """Return a final run's status object. Its stream ends then, or when a server stops."""
        while True:
            assert self.insist("GET", f"/api/v1/runs/{run_id}/stream").status in (200, 204)
            shown = self.insist("GET", f"/api/v1/runs/{run_id}").json
            if shown["completed_at"] is not None:
                return shown

    def over(self, run_id: str) -> Json:
        """Return the status object of a run once it is final, without having its output sent."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)) as line:
            line.request("GET", f"/api/v1/runs/{run_id}/logs?follow=1&stream=stderr")
            line.getresponse().read()
        return self.insist("GET", f"/api/v1/runs/{run_id}").json

    def logs(self, run_id: str) -> bytes:
        """Return what a run printed so far."""
        return self.insist("GET", f"/api/v1/runs/{run_id}/logs").body

    def until_printed(self, run_id: str, wanted: bytes) -> None:
        """Return when a run has printed something."""
        seen = b""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)) as line:
            line.request("GET", f"/api/v1/runs/{run_id}/logs?follow=1")
            answer = line.getresponse()
            while wanted not in seen:
                got = answer.read1(65536)
                assert got, seen
                seen += got

    def everything(self) -> list[Json]:
        """Return every run there is."""
        found: list[Json] = []
        while True:
            page = 1 + len(found) // 100
            jobs = self.insist("GET", f"/api/v1/runs?page={page}&page_size=100").json["jobs"]
            found += jobs
            if len(jobs) < 100:
                return found

    def starts(self) -> Counter[tuple[str, int]]:
        """Return how often the agent of each attempt of each run was started."""
        file = self.home / "starts"
        lines = file.read_text().splitlines() if file.exists() else []
        return Counter((line.split()[0], int(line.split()[1])) for line in lines)

    def tail(self, run_id: str) -> Json:
        """Return what the latest started frame of a run says."""
        return RunFiles(self.state).tail(run_id).started

    def until_let_go(self, run_id: str) -> None:
        """Return when no shim lives for a run; no server is needed."""
        with closing(os.fdopen(os.open(RunFiles(self.state).journal(run_id), os.O_RDONLY))) as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def frames(self, run_id: str) -> Counter[journal.Kind]:
        """Return how many bytes a journal holds of each kind."""
        found: Counter[journal.Kind] = Counter()
        with closing(os.fdopen(os.open(RunFiles(self.state).journal(run_id), os.O_RDONLY))) as file:
            for header in Reader(file.fileno()).headers():
                found[header.kind] += header.length
        return found

    def marked(self) -> dict[int, str]:
        """Return the living processes that bear the mark of one of our runs."""
        ours = {path.stem for path in (self.state / "runs").glob("*.journal")}
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                environ = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                mark = next((e for e in environ if e.startswith(b"PRAISONRUN_RUN_ID=")), b"")
                if (run_id := mark.partition(b"=")[2].decode()) in ours and alive(int(name)):
                    found[int(name)] = run_id
        return found

    def holders(self) -> dict[int, str]:
        """Return the processes that have a journal of ours open: shims with a run. Not the server."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                for fd in os.listdir(f"/proc/{name}/fd"):
                    target = os.readlink(f"/proc/{name}/fd/{fd}")
                    if target.startswith(f"{self.state}/runs/") and target.endswith(".journal"):
                        found[int(name)] = target
        found.pop(self.process.pid if self.process else 0, None)
        return found

    def integrity(self) -> str:
        """Return what SQLite says about the database."""
        with closing(sqlite3.connect(f"file:{self.state}/praisonrun.db?mode=ro", uri=True)) as db:
            return str(db.execute("PRAGMA integrity_check").fetchone()[0])

    def memory(self, what: str = "VmHWM", pid: int | None = None) -> int:
        """Return bytes of the server's memory, or another process's: its peak so far."""
        for line in (
            Path(f"/proc/{pid or (self.process and self.process.pid)}/status").read_text().splitlines()
        ):
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) << 10
        raise LookupError(what)

    def slots_are_free(self, count: int) -> None:
        """Have as many runs as there are slots be live together, and end well."""
        gate = self.home / f"gate{random.SystemRandom().getrandbits(32):x}"
        ids = [self.submitted("gated", str(gate)) for _ in range(count)]
        for run_id in ids:
            self.until_printed(run_id, b"ready\n")
        gate.touch()
        for run_id in ids:
            assert self.final(run_id)["status"] == "succeeded"

    def lives(self) -> dict[str, tuple[int, int]]:
        """Return when each run's agent began and ended, by its journal."""
        runs = RunFiles(self.state)
        tails = {run_id: runs.tail(run_id) for run_id in runs.ids_on_disk()}
        return {i: (t.started["time"], t.ended["ended_at"]) for i, t in tails.items() if t.ended}
