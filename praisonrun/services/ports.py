"""Which port each service has: two never get one, and what another program holds is named."""

from __future__ import annotations

from ..core.agent import Agent
from ..core.errors import PortTaken, QueueFull
from ..core.model import Mode, Status
from ..store import Find, Store
from .probes import free_port, in_use

TRIES = 50
"""Free ports tried before giving up."""


class Ports:
    """The ports of all services that are not final, or are about to be stored.

    The store refuses a second service on one port, too; here a free one is found, and the other is named.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, tuple[str, str]] = {}
        """Port to (run id, agent)."""

    async def recover(self) -> None:
        """Remember the ports of the services that an earlier server left."""
        wanted = Find(status=(Status.QUEUED, Status.RUNNING), mode=Mode.SERVICE, page_size=65_536)
        for run in (await self._store.find(wanted)).runs:
            if run.port is not None:
                self._held[run.port] = (run.id, run.agent)

    def reserve(self, run_id: str, agent: Agent, before: int | None = None) -> int:
        """Return a port for a service and keep it from all others until `release`.

        The entry's own port, else the one that it had `before` if that is free, else any. Raises PortTaken,
        and QueueFull where the agent's `concurrency` allows no further service.
        """
        if agent.concurrency is not None and self._count(agent.name) >= agent.concurrency:
            limit = f"agent {agent.name!r} may have {agent.concurrency} services at once"
            raise QueueFull(f"{limit}; stop one first", retry_after=5)
        again = before if before is not None and self._taken(before) is None else None
        port = agent.port or again or self._any()
        if (by := self._taken(port)) is not None:
            raise PortTaken(f"port {port} is in use by {by}; stop it, or write `port: auto` for a free one")
        self._held[port] = (run_id, agent.name)
        return port

    def release(self, run_id: str) -> None:
        """Give back the port of a service that is final, or was not stored."""
        for port in [port for port, held in self._held.items() if held[0] == run_id]:
            del self._held[port]

    def _count(self, agent: str) -> int:
        return sum(name == agent for _, name in self._held.values())

    def _taken(self, port: int) -> str | None:
        if port in self._held:
            run_id, agent = self._held[port]
            return f"the service {run_id} of agent {agent!r}"
        return "another program" if in_use(port) else None

    def _any(self) -> int:
        for _ in range(TRIES):
            if (port := free_port()) not in self._held:
                return port
        raise PortTaken("no free port was found; try again later")
