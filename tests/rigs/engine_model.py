"""The engine as a state machine: anything that clients, agents, time and misfortune may do, in any order.

What is driven is the whole server below its wires (see `engine_world`); `engine_checks` says what must hold
of every committed change, and this file what clients were told.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from praisonrun.engine.retention import Keep, Retention
from praisonrun.engine.scheduler import LOOK

from .engine_base import AGENTS, ANY, DAY, ENDS, LOSE, OWING
from .engine_clients import Clients
from .engine_world import DAYS


class Engine(Clients):
    """All rules: these are of agents, time and misfortune."""

    @initialize(pidfds=st.booleans(), agents=st.lists(AGENTS, max_size=6))
    def begin(self, pidfds: bool, agents: list[str]) -> None:
        if not pidfds:
            self.world.shims.pidfds = None
        self.world.start()
        self.checks.watch()
        asks = [self._ask(agent, hook=True) for agent in agents]
        self._do(self._all(map(self._submit, asks)))
        self.told.sure |= {ask.id for ask in asks if ask.id}

    # What agents do, also while no server is up.

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, data=st.binary(max_size=5))
    def prints(self, which: int, data: bytes) -> None:
        self._shim(which).print(data + b"\n")

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, end=ENDS, says=st.sampled_from([None, True, True, False]))
    def ends(self, which: int, end: tuple[str, int | None], says: bool | None) -> None:
        shim = self._shim(which)
        row = self.checks.rows[shim.spec["run_id"]]
        if row.agent == "jsonl" and says is not None:
            shim.result(well=says)
        shim.end(*(end if row.mode == "run" else ("exited", 0)))

    @precondition(lambda self: any(shim.installing for shim in self.world.shims.all))
    @rule(well=st.sampled_from([True, True, False]))
    def installs(self, well: bool) -> None:
        for shim in [shim for shim in self.world.shims.all if shim.installing]:
            if well:
                shim.installed = True
            else:
                shim.end("install_failed")

    @precondition(lambda self: self.world.shims.alive())
    @rule(which=ANY, torn=st.sampled_from([b"", b"\x01", b"\x01" * 30]))
    def shim_is_killed(self, which: int, torn: bytes) -> None:
        self._shim(which).die(torn)

    @rule(
        slow=st.booleans(), deaf=st.booleans(), doomed=st.sampled_from([0, 0, 1, 2]),
        status=st.sampled_from([200, 200, 500, 410, 0]),
    )  # fmt: skip
    def others_are(self, slow: bool, deaf: bool, doomed: int, status: int) -> None:
        """How shims start and stop, and how receivers answer, from now on."""
        self.world.shims.slow, self.world.shims.deaf, self.world.shims.doomed = slow, deaf, doomed
        self.world.receiver.status = status

    # What time and misfortune do.

    @rule(seconds=st.sampled_from([0.1, 1, 3, 20, 45]))
    def time_passes(self, seconds: float) -> None:
        self.world.settle(seconds)

    @precondition(lambda self: not self.world.up)
    @rule()
    def server_comes(self) -> None:
        self.serve_again()

    @precondition(lambda self: self.world.up)
    @rule(
        what=st.sampled_from(["sleep", "sleep long", "stop", "crash", "crash", "reboot", "prune"]),
        lose=LOSE,
        zeros=st.booleans(),
    )
    def misfortune(self, what: str, lose: int, zeros: bool) -> None:
        match what:
            case "sleep":
                self._sleep(100)
            case "sleep long":
                self._sleep((DAYS + 10) * 86_400)
            case "stop":
                self.world.stop()
            case "crash":
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
        self._do(Retention(engine.store, self.world.files, self.world.clock, Keep(DAYS, 0)).prune(now))
        assert before - set(self.checks.rows) == old
