"""The engine under test, what its clients were told, and what must hold after every step; no rules yet."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from praisonrun.core.delivery import Reach
from praisonrun.core.errors import PraisonrunError, Unavailable
from praisonrun.engine.engine import Choice, Submit
from praisonrun.engine.journals import SharedRendering
from praisonrun.journal.format import START, Kind
from praisonrun.store import Key

from .engine_checks import Checks, Row
from .engine_world import NO_ANSWER, World
from .fake_shims import SECRET, Shim
from .fired import fired

HOOK = "http://127.0.0.1:9/hook"
ANY = st.integers(0, 40)
"""Which of those that there are."""
AGENTS = st.sampled_from(["plain", "again", "alone", "first", "jsonl", "needy", "made", "kept"])
SERVICES = st.sampled_from(["web", "site"])
ENDS = st.sampled_from(
    [("exited", 0), ("exited", 0), ("exited", 3), ("timed_out", None), ("idle_timed_out", None)]
)
CRASH = st.sampled_from([None] * 9 + [1, 2, 3, 4, 5, 7, 10])
"""After how many turns of its loop the server is killed; mostly it is not."""
LOSE = st.sampled_from([0, 1, 20, 300])
"""How many bytes of a journal a power cut takes."""
DOWN = 3
"""Steps after which a server that went comes again."""
AGAIN = 1.0
"""Seconds after which a client follows again."""
DAY = 86_400_000_000
OWING = "SELECT r.id FROM deliveries d JOIN runs r ON r.seq = d.run_seq WHERE d.state = 'pending'"


@dataclass
class Viewer:
    """Somebody who follows a run's output, and goes on where they were when the server went."""

    run_id: str
    place: int = 0
    seen: bytes = b""
    task: asyncio.Task[None] | None = None


@dataclass
class Told:
    """What clients know."""

    sure: set[str] = field(default_factory=set)
    """Runs that were acknowledged."""
    unsure: set[str] = field(default_factory=set)
    """Runs whose submit was never answered."""
    asked: set[str] = field(default_factory=set)
    """Runs whose cancel was asked for."""
    cancelled: set[str] = field(default_factory=set)
    """Runs whose cancel was answered."""
    gone: set[str] = field(default_factory=set)
    """Runs whose deletion was asked for."""
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Keys to the payload and the run of the first submit."""
    finals: dict[str, str] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    """Runs of whose journal a power cut took a part."""


class Base(RuleBasedStateMachine):
    """A world and what is known of it."""

    cases = steps = changes = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.checks = Checks(self.world)
        self.told = Told()
        self.viewers: list[Viewer] = []
        self.count = 0
        self._sound, self._failures = False, 0
        self.down = 0
        """Steps since the server went."""
        type(self).cases += 1

    # What must hold after each of these.

    @invariant()
    def all_is_well(self) -> None:
        if not self.world.starts:
            return
        self._sound = False
        type(self).steps += 1
        if not self.world.up:
            self.down += 1
            if self.down > DOWN:
                self.serve_again()
        self.world.rest()
        self._follow_log()
        if self.world.up:
            self.checks.rested()
            self.checks.owed()
        self._clients_were_told_the_truth()
        self._sound = True

    def _clients_were_told_the_truth(self) -> None:
        told, rows = self.told, self.checks.rows
        lost = told.sure - rows.keys() - told.gone - self.checks.aged
        assert not lost, f"acknowledged and lost: {lost}"
        assert rows.keys() <= told.sure, "a run that nobody submitted"
        for row in rows.values():
            if row.mode == "run":
                if row.final:
                    assert told.finals.setdefault(row.id, row.status) == row.status, "a final status changed"
                assert row.id in told.asked or row.cancel_requested_at is None, f"nobody cancelled {row}"
                assert row.id not in told.cancelled or row.cancel_requested_at, (
                    f"a cancel was forgotten: {row}"
                )
        for viewer in self.viewers:
            self._saw_all(viewer)

    def _saw_all(self, viewer: Viewer) -> None:
        """Who follows a final run has seen all that it printed, once, and waits no more."""
        row = self.checks.rows.get(viewer.run_id)
        if viewer.task is None or not self.world.up or viewer.run_id in self.told.torn:
            return
        if viewer.task.done():
            viewer.task.result()
        if row is not None and row.final and row.mode == "run" and row.id not in self.world.disk.clearing:
            assert viewer.task.done(), f"still waits for {row}"
            assert viewer.seen == self.world.shims.printed(row.id)

    def teardown(self) -> None:
        try:
            if self._sound:
                self._drain()
        finally:
            type(self).changes += self.checks.changes
            self.world.remove()
            self.checks.close()

    def _drain(self) -> None:
        """Everything comes to its end: no run is stuck, and no webhook."""
        world = self.world
        world.shims.slow, world.shims.deaf, world.shims.doomed = "no", False, 0
        world.shims.refusals = "no"
        world.receiver.status, world.answers = 200, True
        world.disk.next.clear()
        world.disk.removing = 0
        if not world.up:
            self.serve_again()
        assert self._do(self._told_no(world.serving.queue.resume(None))) is True
        for _ in range(40):
            self.all_is_well()
            if all(row.final for row in self.checks.rows.values()):
                break
            for row in self.checks.rows.values():
                if not row.final and (row.held or row.mode == "service"):
                    self.told.asked |= {below.id for below in self._tree(row)}
                    self._do(self._told_no(world.serving.cancel(row.id, wait=False)))
            for shim in world.shims.all:
                shim.installed = True
            for shim in world.shims.alive():
                shim.end("exited", 0)
            world.settle(20)
        assert all(row.final for row in self.checks.rows.values()), f"stuck: {self.checks.rows}"
        world.settle(NO_ANSWER + 1)  # an attempt that was begun while receivers hung is recorded first
        world.skew += 2 * DAY
        world.settle(65)
        assert not self.checks.ask(OWING), "webhooks that are never sent"
        delivered = {d for (d,) in self.checks.ask("SELECT id FROM deliveries WHERE state = 'delivered'")}
        assert delivered <= world.receiver.took.keys()
        world.stop()
        assert self.checks.ask("PRAGMA integrity_check") == [("ok",)]

    # How the rules do it.

    def serve_again(self) -> None:
        """Start a server; who followed a run goes on."""
        self.world.start()
        self.down = 0
        self.checks.asleep.clear()
        for viewer in self.viewers:
            viewer.task = self.world.spawn(self._follow(viewer))

    def _ask(self, agent: str, hook: bool, **more: Any) -> Submit:
        self.count += 1
        run_id = f"run_{self.count:03}"
        envs = {SECRET: "s"} if agent == "needy" else {}
        self.checks.envs[run_id] = self.world.starts
        hooks: dict[str, Any] = {"webhook_url": HOOK, "webhook_reach": Reach.LOOPBACK} if hook else {}
        return Submit(Choice(agent), "x", id=run_id, envs=envs, **hooks, **more)

    async def _submit(self, ask: Submit, key: Key | None = None, turns: int = 0) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await self.world.serving.submit(ask, key)

    async def _all(self, works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
        return await asyncio.gather(*works, return_exceptions=True)

    async def _told_no(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what it came to, a refusal too."""
        try:
            return await work or True
        except PraisonrunError as refused:
            return refused

    def _do(self, work: Coroutine[Any, Any, Any], crash: int | None = None) -> Any:
        self._sound, self._failures = False, self.world.disk.failures
        answer = self.world.do(work, crash)
        self._follow_log()
        return answer

    def _excused(self, answer: Any) -> bool:
        """Say whether what was just done came to nothing because the disk failed meanwhile."""
        excused = isinstance(answer, Unavailable) and self.world.disk.failures > self._failures
        if excused:
            fired("an error of the disk was answered")
        return excused

    def _follow_log(self) -> None:
        """See what became of the submits that were never answered: it is certain now."""
        self.checks.follow()
        told, rows = self.told, self.checks.rows
        told.sure |= told.unsure & rows.keys()
        told.unsure.clear()
        told.keys = {name: named for name, named in told.keys.items() if named[1] in rows}

    async def _follow(self, viewer: Viewer) -> None:
        while True:
            try:
                return await self._follow_once(viewer)
            except Unavailable:  # a read failed: clients come again
                await asyncio.sleep(AGAIN)

    async def _follow_once(self, viewer: Viewer) -> None:
        rendering = SharedRendering(lambda _, frames: pickle.dumps(frames))
        async for chunk in self.world.serving.journals.follow(viewer.run_id, viewer.place, rendering):
            for frame in pickle.loads(chunk):
                assert frame.offset == max(viewer.place, START), "a gap, or something twice"
                viewer.place = frame.end
                viewer.seen += frame.data if frame.kind is Kind.STDOUT else b""

    def _pick(self, which: int, among: list[Row] | None = None) -> Row:
        rows = sorted(self.checks.rows.values() if among is None else among, key=lambda row: row.seq)
        return rows[which % len(rows)]

    def _lively(self, which: int) -> list[Row]:
        """Those that are not final, where there are some, and now and then all."""
        live = [row for row in self.checks.rows.values() if not row.final]
        return live if live and which % 4 else list(self.checks.rows.values())

    def _shim(self, which: int) -> Shim:
        alive = self.world.shims.alive()
        return alive[which % len(alive)]

    def _finals(self) -> list[Row]:
        return [row for row in self.checks.rows.values() if row.final and row.mode == "run"]

    def _tree(self, top: Row) -> list[Row]:
        found = {top.id: top}
        for row in sorted(self.checks.rows.values(), key=lambda row: row.seq):
            if row.parent in found or row.root == top.id:
                found[row.id] = row
        return list(found.values())

    def _unsettled(self, shim: Shim) -> bool:
        row = self.checks.rows.get(shim.spec["run_id"])
        return row is not None and (row.status, row.attempt) == ("running", shim.spec["attempt"])
