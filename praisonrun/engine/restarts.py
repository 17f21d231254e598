"""How a service that ended starts again under its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio

from ..core import lifecycle
from ..core.errors import WrongState
from ..core.model import Agent, Mode, Run
from ..services.ports import Ports
from ..store import Store
from .checks import Checks
from .scheduler import Scheduler
from .supervisor import Supervisor


class Restarts:
    """Starts services again, each once at a time."""

    def __init__(
        self,
        store: Store,
        supervisor: Supervisor,
        scheduler: Scheduler,
        ports: Ports,
        checks: Checks,
        now: Callable[[], int],
    ) -> None:
        self._store, self._supervisor, self._scheduler = store, supervisor, scheduler
        self._ports, self._checks, self._now = ports, checks, now
        self._going: set[str] = set()

    async def restart(self, run_id: str, envs: Mapping[str, str]) -> Run:
        """Start a final service again, under its id, by its version and with fresh envs.

        Its port stays if the entry says so or it is free. Raises NotFound, WrongState for a run and for a
        service that lives, PortTaken, and what would keep it from starting.
        """
        if run_id in self._going:
            raise WrongState(f"service {run_id} is being restarted already")
        self._going.add(run_id)
        try:
            return await self._restart(await self._store.get_full(run_id), envs)
        finally:
            self._going.discard(run_id)

    async def check(self, run: Run, envs: Mapping[str, str]) -> Agent:
        """Refuse what could only fail once the service was stopped; return its agent."""
        if run.mode is not Mode.SERVICE:
            raise WrongState(f"run {run.id} is no service; retry it as a new run")
        self._scheduler.check_serving()
        agent = await self._supervisor.agent_of(run)
        await self._checks.stored(agent, "", envs, Mode.SERVICE)
        return agent

    async def _restart(self, run: Run, envs: Mapping[str, str]) -> Run:
        agent = await self.check(run, envs)
        if run.status not in lifecycle.FINAL:
            raise WrongState(f"service {run.id} has not ended yet; try again")
        at, names, boot = self._now(), tuple(sorted(envs)), self._scheduler.boot
        port = self._ports.reserve(run.id, agent, run.port)
        self._supervisor.keep(run, agent, envs)

        def decide(final: Run) -> Run:
            return lifecycle.claim(lifecycle.restart(final, at, names)._replace(port=port), at, boot)

        with anyio.CancelScope(shield=True):  # what is on the disk must also be let go
            try:
                again = await self._store.change(run.id, decide)
            except BaseException:
                self._ports.release(run.id)
                self._supervisor.forget(run.id)
                raise
            again = again._replace(prompt=run.prompt, input=run.input)
            await self._scheduler.launch(again)
        return again
