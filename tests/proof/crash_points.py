"""What a server does, cut off by a kill -9 at one of its system calls after the other.

A thread's n-th call of a kind is one point; n goes from 1 to where the operation ends before it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from praisonrun.journal.format import START

from .inject import Traced, strace, threads
from .world import PATIENCE, Answer, World

Json = Any
GONE = (OSError, HTTPException)
"""What a client meets when the server is killed."""
CALLS = (
    *(
        "pwrite64",
        "write",
        "writev",
        "fsync",
        "fdatasync",
        "ftruncate",
        "openat",
        "mkdir",
        "mknod",
        "mknodat",
    ),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "sendto", "sendmsg"),
)
"""What changes something outside of the process; the opening of files, because it may make them."""
PRINTED = b"ready\ndone\n"


class Missed(Exception):
    """What was to be killed had no part in the operation: once more."""


class CutWorld(World):
    """A world with the agent that does everything, and one that only one run may have."""

    def __init__(self, home: Path, *flags: str) -> None:
        super().__init__(home, "--concurrency", "8", *flags)
        document = json.loads(self.agents.read_text())
        entry = dict(document["agents"]["worker"])
        entry |= {"command": ["{python}", "-I", "-S", "-u", str(Path(__file__).with_name("thorough.py"))]}
        entry |= {"files": True}
        document["agents"] |= {"thorough": entry, "alone": {**entry, "concurrency": 1}}
        tree = {"cwd": "caller", "worktree": True, "env": {**entry["env"], "LEAVES": "made"}}
        document["agents"]["tree"] = {**entry, **tree}
        self.agents.write_text(json.dumps(document))

    def __enter__(self) -> CutWorld:
        return self


@dataclass
class Figures:
    """What the kills came to."""

    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By the thread's role and the call."""

    def __str__(self) -> str:
        each = ", ".join(f"{role} {call} {count}" for (role, call), count in sorted(self.points.items()))
        return f"killed at {self.points.total()} points ({each}): 0 lost, 0 started twice, 0 corrupt, 0 stuck"


class Operation:
    """Something that a server does, each time with a run of its own."""

    calls: tuple[str, ...] = CALLS
    agent = "thorough"
    again = 2
    """Points beyond the survey's at which the search ends: a client that asks until has no fixed number."""

    def __init__(self, world: CutWorld) -> None:
        self.world = world
        self.known: list[str] = []
        """The runs that there must be; the first is whole, and no part of any operation."""
        self.run_id, self.key, self.gate = "", "", world.home
        self.ends: Counter[str] = Counter()
        """How runs ended, where that is not always the same."""

    # What an operation says of itself

    def prepare(self) -> None:
        """Bring about what all points share."""
        self.fresh()
        self.gate.touch()
        self.ended(self.submitted())
        self.warm()

    def fresh(self) -> None:
        """Choose a new run's key and gate."""
        number = f"{random.SystemRandom().getrandbits(64):x}"
        self.key, self.gate = f"key-{number}", self.world.home / f"gate-{number}"

    def ready(self) -> None:
        """Bring about what the operation starts from."""
        self.fresh()

    def act(self) -> None:
        """Do it. Raises one of GONE when the server went."""
        raise NotImplementedError

    def check(self) -> None:
        """See that nothing is wrong, on a server that was started afterwards."""
        raise NotImplementedError

    def targets(self) -> dict[str, list[int]]:
        """Return the threads whose calls are points, by what they do."""
        raise NotImplementedError

    def killed(self, traced: Traced) -> bool:
        """Say whether a kill happened; if so, start what was killed again. Raises Missed."""
        raise NotImplementedError

    def warm(self) -> None:
        """Have a new server make its threads."""
        self.world.insist("GET", f"/api/v1/runs/{self.known[0]}/artifacts")

    def settle(self) -> None:
        """Let everything come to its end, after the last point."""

    # What operations share

    def submit(self, **more: Json) -> Answer:
        """Ask for the run of this point."""
        body = {"agent": self.agent, "prompt": str(self.gate), **more}
        return self.world.ask("POST", "/api/v1/runs", body, key=self.key)

    def submitted(self, **more: Json) -> str:
        """Submit what was perhaps submitted before, and return the run's id."""
        got = self.submit(**more)
        assert got.status == 202, got
        self.run_id = str(got.json["job_id"])
        if self.run_id not in self.known:
            self.known.append(self.run_id)
        return self.run_id

    def until_ready(self) -> None:
        """Return when the agent waits for its gate."""
        self.world.until_printed(self.run_id, b"ready\n")

    def ended(self, run_id: str) -> None:
        """See that a run ended as it should, after one start."""
        shown = self.world.final(run_id)
        assert (shown["status"], shown["exit_code"], shown["attempt"]) == ("succeeded", 0, 1), shown
        assert self.world.logs(run_id) == PRINTED
        answered = self.world.ask("GET", f"/api/v1/runs/{run_id}/result").json["result"]
        assert "gate" in answered, answered
        assert self.world.starts()[run_id, 1] == 1

    def whole(self) -> None:
        """See that the database is whole, that files and rows fit together and that nothing ran twice."""
        world = self.world
        assert world.integrity() == "ok"
        there = {run["job_id"] for run in world.everything()}
        assert there == set(self.known), "lost, or never acknowledged and never asked for again"
        strangers = [path for path in (world.state / "runs").iterdir() if path.stem not in there]
        sizes = [path.stat().st_size for path in strangers]
        assert max(sizes, default=0) <= START, "files without a run"  # a journal is made before its run
        assert set(world.starts().values()) <= {1}, "started twice"


class ServerOperation(Operation):
    """One of which every thread of the server has a part; the whole server is killed."""

    def targets(self) -> dict[str, list[int]]:
        assert self.world.process is not None
        self._threads = threads(self.world.process.pid)
        # The reader's only calls tell the loop that it has read.
        return {role: found for role, found in self._threads.items() if role != "reader"}

    def killed(self, _: Traced) -> bool:
        assert self.world.process is not None
        with suppress(*GONE):
            assert self.world.ask("GET", "/healthz").status == 200
            if self._threads != threads(self.world.process.pid):
                raise Missed  # perhaps it was a new thread that did it
            return False
        assert self.world.process.wait(PATIENCE) == -9
        self.world.kill()
        self.world.start()
        self.warm()
        return True


class Every:
    """Kills at every point of an operation."""

    def __init__(self, operation: Operation, file: Path) -> None:
        self.operation, self._file = operation, file
        self.figures = Figures()

    def run(self) -> Figures:
        """Return what it came to; whatever is wrong is an AssertionError before that."""
        operation = self.operation
        operation.prepare()
        for (role, call), count in sorted(self.survey().items()):
            for number in range(1, count + operation.again + 1):
                if not self._point(role, call, number):
                    break
                self.figures.points[role, call] += 1
        operation.settle()
        operation.whole()
        assert not operation.world.marked(), "a process was left behind"
        assert not operation.world.holders(), "a shim was left behind"
        assert self.figures.points.total() >= 5, f"hardly anything was killed: {self.figures}"
        return self.figures

    def survey(self) -> Counter[tuple[str, str]]:
        """Return how many calls of each kind the operation takes, by the roles of its threads."""
        self.operation.ready()
        targets = self.operation.targets()
        role_of = {thread: role for role, found in targets.items() for thread in found}
        with strace(list(role_of), self._file, f"trace={','.join(self.operation.calls)}") as traced:
            self.operation.act()
        self.operation.check()
        found: Counter[tuple[str, str]] = Counter()
        for (thread, call), count in traced.calls().items():
            role = role_of.get(thread) or next(iter(targets))
            found[role, call] = max(found[role, call], count)
        return found

    def _point(self, role: str, call: str, number: int) -> bool:
        """Have a thread killed at its n-th call, and look at what is left. Say whether it came to that."""
        for _ in range(5):
            try:
                killed = self._killed(role, f"{call}:signal=KILL:when={number}")
                self.operation.whole()
            except Missed:
                continue
            except BaseException as error:
                error.add_note(f"killed at {role} {call} {number}")
                raise
            return killed
        raise AssertionError("what was to be killed was never used")

    def _killed(self, role: str, kill: str) -> bool:
        operation = self.operation
        operation.ready()
        what = f"trace={kill.partition(':')[0]}", f"inject={kill}"
        with strace(operation.targets()[role], self._file, *what) as traced, suppress(*GONE):
            operation.act()
        try:
            return operation.killed(traced)
        finally:
            operation.check()
