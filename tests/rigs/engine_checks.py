"""What must hold of the engine, whatever happens: read from outside, from the log of every committed change.

Triggers write that log in the transaction of the change itself, so it can neither miss one nor tell of
one that was not committed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from praisonrun.store import ALL

from .engine_world import DAYS, INSTALLED, LIMITS, SLOTS, World
from .fake_shims import SECRET, Shim
from .fired import fired

ALLOWED = {
    "queued": {"cancelled", "failed", "running"},
    "running": {"cancelled", "failed", "queued", "succeeded"},
}
"""ARCHITECTURE's table, written down once more."""
PATIENT = 600_000_000
"""Microseconds for which a run that cannot be started is tried again."""
SOON = 1000
"""Microseconds that a timer may be late."""
FINAL = ("succeeded", "failed", "cancelled")
RETRIED = {"exit_nonzero", "timed_out", "idle_timed_out", "agent_error", "no_result", "install_failed"}
NEVER_SERVED = {"install_failed", "spawn_failed"}
"""Ends of attempts of a service that never was one: they say so themselves."""
COLUMNS = (
    "id, seq, agent, mode, status, priority, created_at, updated_at, due_at, finished_at, held, attempt, "
    "retries, cancel_requested_at, failure, ready_at, env_names, boot, parent, root, webhook_url, "
    "session_id, key, port, not_started_since"
)
_NEW = ", ".join(f"new.{name.strip()}" for name in COLUMNS.split(","))
_OLD = ", ".join(f"old.{name.strip()}" for name in COLUMNS.split(","))
_LOG = f"""
CREATE TABLE seen AS SELECT '' AS was, 0 AS attempt_was, {COLUMNS} FROM runs WHERE 0;
CREATE TRIGGER seen_new AFTER INSERT ON runs
BEGIN INSERT INTO seen VALUES (NULL, 0, {_NEW}); END;
CREATE TRIGGER seen_move AFTER UPDATE ON runs
WHEN new.status <> old.status OR new.held <> old.held OR new.attempt <> old.attempt
BEGIN INSERT INTO seen VALUES (old.status, old.attempt, {_NEW}); END;
CREATE TRIGGER seen_twice AFTER UPDATE ON runs
WHEN old.status = new.status AND new.status IN ('succeeded', 'failed', 'cancelled')
 AND (old.updated_at, old.finished_at, old.ready_at) IS NOT (new.updated_at, new.finished_at, new.ready_at)
BEGIN INSERT INTO seen VALUES ('twice', old.attempt, {_NEW}); END;
CREATE TRIGGER seen_gone AFTER DELETE ON runs
BEGIN INSERT INTO seen VALUES ('gone', old.attempt, {_OLD}); END;
"""


class Row(NamedTuple):
    """A run as the database has it."""

    id: str
    seq: int
    agent: str
    mode: str
    status: str
    priority: int
    created_at: int
    updated_at: int
    due_at: int
    finished_at: int | None
    held: int
    attempt: int
    retries: int
    cancel_requested_at: int | None
    failure: str | None
    ready_at: int | None
    env_names: str
    boot: str | None
    parent: str | None
    root: str | None
    webhook_url: str | None
    session_id: str | None
    key: str | None
    port: int | None
    not_started_since: int | None

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def waits(self) -> bool:
        return self.status == "queued" and not self.held

    @property
    def rank(self) -> tuple[int, int]:
        return -self.priority, self.seq


@dataclass
class Checks:
    """Follows the log of one world."""

    world: World
    rows: dict[str, Row] = field(default_factory=dict)
    """The runs after the latest change that was looked at."""
    envs: dict[str, int] = field(default_factory=dict)
    """Which server knows the envs of a run."""
    asleep: dict[str, float] = field(default_factory=dict)
    """Runs that became due while the machine slept, and until when nobody need have noticed."""
    aged: set[str] = field(default_factory=set)
    """Runs that went because they were old."""
    refused: set[str] = field(default_factory=set)
    """Runs that were claimed after their cancel had been answered."""
    changes: int = 0
    paused: set[str] = field(default_factory=set)
    """Agents that are paused as of the latest look; ALL may be among them."""
    _just: set[str] = field(default_factory=set)
    """Those that were paused or resumed between the two latest looks."""
    _leaving: Counter[str] = field(default_factory=Counter)
    """Slots of attempts that have ended since the last rest: they may be given back or not."""
    _read: int = 0
    _db: sqlite3.Connection | None = None

    def watch(self) -> None:
        """Begin, once the database exists."""
        self._db = self.world.database()
        self._db.executescript(_LOG)
        self.world.shims.log = lambda: int(self.ask("SELECT coalesce(max(rowid), 0) FROM seen")[0][0])

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def ask(self, sql: str, *values: Any) -> list[Any]:
        """Return what the database says."""
        assert self._db is not None
        return self._db.execute(sql, values).fetchall()

    def follow(self) -> None:
        """Look at every change since the last time."""
        before, self.paused = self.paused, {agent for (agent,) in self.ask("SELECT agent FROM pauses")}
        self._just = before ^ self.paused
        news = "SELECT rowid, * FROM seen WHERE rowid > ? ORDER BY rowid"
        for n, was, attempt_was, *values in self.ask(news, self._read):
            self._read, row = n, Row(*values)
            self.changes += 1
            if was == "gone":
                assert self.rows.pop(row.id).final, f"{row} was deleted alive"
                if (row.finished_at or 0) < self.world.clock() - DAYS * 86_400_000_000:
                    self.aged.add(row.id)
                continue
            assert was != "twice", f"a final row was written again: {row}"
            self._change(was, attempt_was, row)
            self.rows[row.id] = row
        stored = {row.id: row for row in (Row(*r) for r in self.ask(f"SELECT {COLUMNS} FROM runs"))}
        assert stored.keys() == self.rows.keys()
        for run_id, row in stored.items():
            assert row.status == self.rows[run_id].status
        self.rows = stored

    def _change(self, was: str | None, attempt_was: int, row: Row) -> None:
        before = self.rows.get(row.id)
        if was is None:
            assert before is None or before.final
            assert row.status in ("queued", "running")
        elif was != row.status:
            self._allowed(was, row)
        if row.mode == "run":
            assert row.attempt <= row.retries + 1, f"more attempts than retries allow: {row}"
        if row.status == "running" and was != "running":
            assert row.attempt == attempt_was + 1
            self._claimed(row)
        if was == "running" and row.status != "running":
            self._left(attempt_was, row)

    def _allowed(self, was: str, row: Row) -> None:
        again = row.mode == "service" and was in ("failed", "cancelled") and row.status == "running"
        assert again or row.status in ALLOWED.get(was, ()), f"{was} became {row.status}: {row}"

    def _claimed(self, row: Row) -> None:
        """A claim goes to the best that is due and has room, and takes no slot that is not there."""
        if row.mode == "service":
            return
        assert not row.held
        assert row.agent not in self._held_up(self.paused - self._just), f"claimed while paused: {row}"
        assert row.due_at <= row.updated_at, f"claimed too soon: {row}"
        if row.cancel_requested_at is not None:
            self.refused.add(row.id)
        busy = Counter(r.agent for r in self._running() if r.id != row.id)
        assert busy.total() < SLOTS, f"more runs than slots: {row}"
        assert busy[row.agent] < LIMITS.get(row.agent, SLOTS), f"more runs than the agent allows: {row}"
        busy += self._leaving + self._clearing()
        better = [
            other
            for other in self.rows.values()
            if other.waits
            and other.rank < row.rank
            and other.due_at + SOON <= row.updated_at
            and busy[other.agent] < LIMITS.get(other.agent, SLOTS)
            and other.id not in self.asleep
            and other.agent not in self._held_up(self.paused | self._just)
        ]
        assert not better, f"{row} was claimed before {better}"

    def _held_up(self, paused: set[str]) -> set[str]:
        """Return the agents whose runs may not start while these are paused."""
        return {row.agent for row in self.rows.values()} if ALL in paused else paused

    def _running(self) -> list[Row]:
        return [row for row in self.rows.values() if row.status == "running" and row.mode == "run"]

    def _clearing(self) -> Counter[str]:
        """Slots of runs that are final, and whose scratch is being removed."""
        ended = (self.rows[run_id] for run_id in self.world.disk.clearing & self.rows.keys())
        return Counter(row.agent for row in ended if row.mode == "run" and row.final)

    def _left(self, attempt: int, row: Row) -> None:
        """What became of an attempt is what its journal says, and nothing else."""
        self._leaving[row.agent] += 1
        shims = [shim for shim in self.world.shims.of(row.id, attempt) if shim.made_at < self._read]
        found = (row.status, row.failure if row.status == "failed" else None)
        assert found in self._expected(row, attempt, shims), f"{found} of {row} after {told(shims)}"
        self._count(row, attempt)
        if row.status == "queued" and row.attempt == attempt - 1:
            begun = [shim for shim in shims if shim.begun_at < self._read and not shim.refused]
            assert not begun, f"given back after a start: {row}"
        elif row.status == "queued":
            assert row.cancel_requested_at is None, f"tried again after a cancel: {row}"

    def _count(self, row: Row, attempt: int) -> None:
        if row.status == "failed":
            fired(f"failed: {row.failure}")
        elif row.status != "queued":
            fired(row.status)
        else:
            fired("given back" if row.attempt < attempt else "tried again")

    def _expected(self, row: Row, attempt: int, shims: list[Shim]) -> set[tuple[str, str | None]]:
        last = shims[-1] if shims else None
        assert last is None or last.over_at < self._read, "an attempt that goes on was settled"
        if last is not None and last.ended is not None and not last.lost and not last.refused:
            return {self._judged(row, attempt, last)}
        begun = last is not None and last.begun_at < self._read and not last.refused
        if row.boot != f"boot {self.world.boot}" or begun:
            return {("failed", "lost")}
        found: set[tuple[str, str | None]] = {("queued", None)}
        if row.cancel_requested_at is not None:
            found = {("cancelled", None)}
        if row.not_started_since is not None and row.updated_at - row.not_started_since >= PATIENT:
            found.add(("failed", "spawn_failed"))
        if row.env_names != "[]" and self.envs.get(row.id, self.world.starts) != self.world.starts:
            found = found - {("failed", "spawn_failed")} | {("failed", "env_lost")}
        return found

    def _judged(self, row: Row, attempt: int, shim: Shim) -> tuple[str, str | None]:
        assert shim.ended is not None
        reason, code, asked = shim.ended["reason"], shim.ended["code"], row.cancel_requested_at is not None
        if row.mode == "service" and reason not in NEVER_SERVED:
            if asked:
                return "cancelled", None
            return "failed", "readiness_failed" if row.ready_at is None else "exited"
        if reason == "cancelled":
            return "cancelled", None
        failure = None if reason == "exited" else reason
        if reason == "exited" and row.agent == "jsonl":
            failure = {True: None, False: "agent_error", None: "exit_nonzero" if code else "no_result"}[
                shim.said
            ]
        elif reason == "exited" and code:
            failure = "exit_nonzero"
        if failure is None:
            return "succeeded", None
        if failure in RETRIED and attempt <= row.retries and not asked:
            return "queued", None
        return "failed", failure

    def rested(self) -> None:
        """What must hold once the server has had time to do what it can."""
        self._leaving.clear()
        now, loop = self.world.clock() - SOON, self.world.seconds
        self.asleep = {run_id: until for run_id, until in self.asleep.items() if until > loop}
        busy = Counter(row.agent for row in self._running()) + self._clearing()
        for row in self.rows.values():
            if row.status == "running":
                assert self._seen_to(row), f"nobody runs {row}"
            elif not row.waits or row.due_at > now or row.id in self.asleep or busy.total() >= SLOTS:
                continue
            elif row.agent in self._held_up(self.paused):
                fired("a run waited for a resume")
            else:
                assert busy[row.agent] >= LIMITS.get(row.agent, SLOTS), f"nobody wakes {row}"
        twice = {of for of, count in self.world.shims.begins.items() if count > 1}
        assert not twice, f"started twice: {twice}"
        for run_id in self.refused & self.rows.keys():
            shims = self.world.shims.of(run_id, self.rows[run_id].attempt)
            assert not any(shim.begun for shim in shims), f"{run_id} was started after its cancel"
        assert len(self._installing()) <= 1, "two attempts are at one install command, which two agents have"
        for shim in self.world.shims.alive():
            assert not shim.spec["folder"] or shim.scratch.is_dir(), f"the scratch of {shim.attempt} is gone"
        needy = [s for s in self.world.shims.all if s.begun and self._env(s) != "[]"]
        assert all(shim.spec["env"].get(SECRET) == "s" for shim in needy), "an agent without its secret"
        assert not self.world.faults, self.world.faults
        assert self.world.serving.queue._slots.paused.keys() == self.paused, (
            "a pause in memory or on disk alone"
        )
        known = (run_id for run_id, start in self.envs.items() if start == self.world.starts)
        self.world.check_memory(self.rows, known)

    def _installing(self) -> list[Shim]:
        return [shim for shim in self.world.shims.all if shim.installing]

    def _env(self, shim: Shim) -> str:
        row = self.rows.get(shim.spec["run_id"])
        return row.env_names if row else "[]"

    def _seen_to(self, row: Row) -> bool:
        """Say whether a running run has its process, or waits for what may hold it up."""
        shims = [shim for shim in self.world.shims.of(row.id, row.attempt) if not shim.over]
        held_up = row.agent in INSTALLED and bool(self._installing())
        return len(shims) == 1 or self.world.shims.slow != "no" or held_up

    def owed(self) -> None:
        """Exactly one webhook for each final run that named one, of the kind that its end was."""
        owing = self.ask("SELECT r.id, d.type FROM deliveries d JOIN runs r ON r.seq = d.run_seq")
        wanted = [(r.id, f"run.{r.status}") for r in self.rows.values() if r.final and r.webhook_url]
        assert sorted(owing) == sorted(wanted)


def told(shims: list[Shim]) -> list[dict[str, Any]]:
    """Tell of shims in a message."""
    return [{"begun_at": s.begun_at, "over_at": s.over_at, "ended": s.ended, "said": s.said} for s in shims]


__all__ = ["Checks", "Row"]
