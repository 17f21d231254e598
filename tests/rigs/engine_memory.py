"""What the engine holds in memory is what the rows imply: owners, slots, ports, envs, installs, watches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from praisonrun.engine.engine import Engine

from .fake_shims import SECRET

if TYPE_CHECKING:
    from .engine_checks import Row


class Memory:
    """Compares one engine with the rows, at a moment when it rests."""

    def __init__(self, engine: Engine, rows: Mapping[str, Row], clearing: set[str]) -> None:
        """`clearing` are runs whose scratch is being removed: they may be final and still have an owner."""
        owners = engine._supervisor.live.items()
        self._live = {run_id: live for run_id, live in owners if run_id in rows or run_id not in clearing}
        self._pruned = [live.run for run_id, live in owners if run_id not in self._live]
        """They hold what they held until their scratch is removed, too."""
        self._held, self._supervisor = engine._supervisor._reservations, engine._supervisor
        self._handled = engine._handled
        self._rows = rows
        running = {row.id for row in rows.values() if row.status == "running"}
        self._owned = running | (clearing & self._live.keys())

    def check(self, knows_envs: Iterable[str], loop: asyncio.AbstractEventLoop) -> None:
        """Assert all of it; `knows_envs` are the runs whose envs were given to this very server."""
        self._owners()
        self._slots_and_ports()
        self._envs(set(knows_envs) & self._rows.keys())
        self._watches(loop)
        busy = self._supervisor._installs._busy.keys()
        assert busy <= self._owned, f"an install mark without its run: {busy - self._owned}"
        assert not self._handled, f"restarted or deleted for ever: {self._handled}"
        assert not self._supervisor._early, f"cancels that nobody took: {self._supervisor._early}"

    def pidfds(self, opened: Iterable[int]) -> None:
        """Assert that each open pidfd is one of a live attempt."""
        strays = set(opened) - {getattr(live.attempt, "_pidfd", -1) for live in self._live.values()}
        assert not strays, f"pidfds that nobody closes: {strays}"

    def _owners(self) -> None:
        assert self._live.keys() == self._owned, f"owners {sorted(self._live)} of {sorted(self._owned)}"
        for run_id, live in self._live.items():
            given_back = live.run.attempt - self._rows[run_id].attempt
            assert not given_back or (given_back == 1 and self._rows[run_id].final), (
                f"an owner of another attempt: {live.run}"
            )

    def _slots_and_ports(self) -> None:
        owned = [self._rows[run_id] for run_id in self._owned]
        taken = Counter(row.agent for row in owned if row.mode == "run")
        taken += Counter(run.agent for run in self._pruned if run.mode == "run")
        assert self._held.slots._taken == taken, f"slots: {self._held.slots._taken}, runs: {taken}"
        services = [row for row in self._rows.values() if row.mode == "service"]
        ports = {row.port: (row.id, row.agent) for row in services if row in owned or row.status == "queued"}
        ports |= {run.port: (run.id, run.agent) for run in self._pruned if run.mode == "service"}
        assert self._held._ports._held == ports, f"ports: {self._held._ports._held}, services: {ports}"

    def _envs(self, known: set[str]) -> None:
        queued = {row.id for row in self._rows.values() if row.status == "queued"}
        held = self._held._queued
        assert held.keys() <= queued, f"held for no queued run: {held.keys() - queued}"
        owned = {run_id: live.reservation for run_id, live in self._live.items()}
        for run_id, reservation in {**held, **owned}.items():
            needy = run_id in known and self._rows[run_id].agent == "needy"
            assert reservation.envs == ({SECRET: "s"} if needy else {}), f"envs of {run_id}"
        needed = {run_id for run_id in known & queued if self._rows[run_id].agent == "needy"}
        assert needed <= held.keys(), f"envs that were forgotten: {needed - held.keys()}"

    def _watches(self, loop: asyncio.AbstractEventLoop) -> None:
        watches = [
            frame.f_locals["watch"]
            for task in asyncio.all_tasks(loop)
            if (frame := _frame_of(task, "Services._watch")) is not None
        ]
        of_live = [live.readiness for live in self._live.values()]
        strays = [watch.run.id for watch in watches if watch not in of_live]
        assert not strays, f"services that are looked at for ever: {strays}"


def _frame_of(task: asyncio.Task[Any], name: str) -> Any:
    coroutine: Any = task.get_coro()
    return coroutine.cr_frame if coroutine.__qualname__ == name else None
