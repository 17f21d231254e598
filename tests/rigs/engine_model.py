"""The engine as a state machine: anything that clients, agents, time and misfortune may do, in any order.

What is driven is the whole server below its wires (see `engine_world`); `engine_checks` says what must hold
of every committed change, and this file what clients were told.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from praisonrun.core.model import Mode
from praisonrun.engine.ages import Ages
from praisonrun.engine.retention import Keep, Retention
from praisonrun.engine.scheduler import LOOK

from .engine_base import AGENTS, ANY, DAY, ENDS, LOSE, OWING, SERVICES
from .engine_clients import Clients
from .engine_disk import FAULTS
from .engine_world import DAYS
from .fired import counted, fired


class Engine(Clients):
    """All rules: these are of agents, time and misfortune."""

    @initialize(pidfds=st.booleans(), agents=st.lists(AGENTS | SERVICES, max_size=6))
    @counted
    def begin(self, pidfds: bool, agents: list[str]) -> None:
        if not pidfds:
            self.world.shims.pidfds = None
        self.world.start()
        self.checks.watch()
        asks = [
            self._ask(agent, hook=False, mode=Mode.SERVICE)
            if agent in ("web", "site")
            else self._ask(agent, hook=True)
            for agent in agents
        ]
        self._do(self._all(map(self._submit, asks)))
        self.told.sure |= {ask.id for ask in asks if ask.id}

    # What agents do, also while no server is up.

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, data=st.binary(max_size=5))
    @counted
    def prints(self, which: int, data: bytes) -> None:
        self._shim(which).print(data + b"\n")

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, end=ENDS, says=st.sampled_from([None, True, True, False]))
    @counted
    def ends(self, which: int, end: tuple[str, int | None], says: bool | None) -> None:
        shim = self._shim(which)
        row = self.checks.rows[shim.spec["run_id"]]
        if row.agent == "jsonl" and says is not None:
            shim.result(well=says)
        shim.end(*(end if row.mode == "run" else ("exited", 0)))

    @precondition(lambda self: any(shim.installing for shim in self.world.shims.all))
    @rule(well=st.sampled_from([True, True, False]))
    @counted
    def installs(self, well: bool) -> None:
        for shim in [shim for shim in self.world.shims.all if shim.installing]:
            fired("an install ended well" if well else "an install failed")
            if well:
                shim.installed = True
            else:
                shim.end("install_failed")

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, torn=st.sampled_from([b"", b"\x01", b"\x01" * 30]))
    @counted
    def shim_is_killed(self, which: int, torn: bytes) -> None:
        fired("a shim was killed")
        self._shim(which).die(torn)

    @rule(
        slow=st.sampled_from(["no", "no", "spec", "agent"]), deaf=st.booleans(),
        doomed=st.sampled_from([0, 0, 1, 2]),
        refusals=st.sampled_from(["no", "no", "no", "not_started", "spawn_failed"]),
        status=st.sampled_from([200, 200, 500, 410, 0]),
        answers=st.booleans(), removing=st.sampled_from([0.0, 1.0, 5.0]),
    )  # fmt: skip
    @counted
    def others_are(self, /, status: int, *, answers: bool, removing: float, **shims: Any) -> None:
        """How shims start and stop, how receivers and services answer, and how fast scratch is removed."""
        for name, value in shims.items():
            setattr(self.world.shims, name, value)
        self.world.receiver.status, self.world.answers = status, answers
        self.world.disk.removing = removing

    # What time and misfortune do.

    @rule(fault=st.sampled_from(FAULTS), count=st.sampled_from([1, 1, 2]))
    @counted
    def disk_fails(self, fault: str, count: int) -> None:
        """The next so many of these fail."""
        self.world.disk.next[fault] += count

    @rule(seconds=st.sampled_from([0.1, 1, 3, 20, 45]))
    @counted
    def time_passes(self, seconds: float) -> None:
        self.world.settle(seconds)

    @precondition(lambda self: not self.world.up)
    @rule()
    @counted
    def server_comes(self) -> None:
        self.serve_again()

    @precondition(lambda self: self.world.up)
    @rule(
        what=st.sampled_from(["sleep", "sleep long", "stop", "crash", "crash", "reboot", "prune"]),
        lose=LOSE,
        zeros=st.booleans(),
    )
    @counted
    def misfortune(self, what: str, lose: int, zeros: bool) -> None:
        match what:
            case "sleep":
                fired("the server slept")
                self._sleep(100)
            case "sleep long":
                fired("the server slept long")
                self._sleep((DAYS + 10) * 86_400)
            case "stop":
                fired("the server stopped")
                self.world.stop()
            case "crash":
                fired("the server crashed")
                self.world.crash()
            case "reboot":
                self._reboot(lose, zeros)
            case "prune":
                self._prune()

    def _sleep(self, seconds: int) -> None:
        """Time passes on the wall alone."""
        now = self.world.clock()
        for row in self.checks.rows.values():
            if row.waits and row.due_at > now:
                pause = min((row.due_at - now) / 1e6, LOOK)
                self.checks.asleep[row.id] = self.world.seconds + pause + 0.01
        self.world.skew += seconds * 1_000_000

    def _reboot(self, lose: int, zeros: bool) -> None:
        fired("the machine restarted")
        self.world.crash()
        self.checks.follow()
        self.world.reboot(lose, self._unsettled, zeros=zeros)
        self.told.torn |= {shim.spec["run_id"] for shim in self.world.shims.all if shim.lost}

    def _prune(self) -> None:
        """Retention takes what is old and owes nothing, and nothing else."""
        now, engine = self.world.clock(), self.world.serving
        owing = {run_id for (run_id,) in self.checks.ask(OWING)}
        ended = [row for row in self.checks.rows.values() if row.final and row.id not in owing]
        old = {row.id for row in ended if (row.finished_at or 0) < now - DAYS * DAY}
        before = set(self.checks.rows)
        assert self.world.files is not None
        self.told.gone |= old
        ages = Ages(self.world.files.root / "no", "boot", self.world.clock)  # which it cannot note
        retention = Retention(engine.store, self.world.files, ages, Keep(DAYS, 0))
        if self._excused(self._do(self._told_no(retention.prune()))):
            self.told.torn |= old  # their files go before their rows
            return
        fired("retention ran")
        assert before - set(self.checks.rows) == old
