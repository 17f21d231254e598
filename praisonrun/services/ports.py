"""The ports of services: who has which, and one look at what answers there.

Two services never get one port, and what another program holds is named. A look is bounded, and needs no
client library.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote

from ..core.agent import Agent, Readiness
from ..core.errors import PortTaken, QueueFull
from ..core.model import Mode, Status
from ..store import Find, Store

HOST = "127.0.0.1"
LONGEST = 2.0
"""Seconds that one look takes at most."""
TRIES = 50
"""Free ports tried before giving up."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_SAFE = "/?&=%:@!$'()*+,;~[]"


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
        count = sum(name == agent.name for _, name in self._held.values())
        if agent.concurrency is not None and count >= agent.concurrency:
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


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probing:
        probing.bind((HOST, 0))
        return int(probing.getsockname()[1])


def in_use(port: int) -> bool:
    """Say whether somebody listens on a port, or it may not be listened on."""
    with socket.socket() as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((HOST, port))
        except OSError:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look found."""

    ok: bool
    status_code: int | None = None
    error: str | None = None
    cut_short: bool = False
    """Whether it was given less time than a look takes at most, and found nothing in it."""


async def probe(readiness: Readiness, port: int, seconds: float = LONGEST) -> Probe:
    """Look once, for at most `seconds`: connect (tcp), or ask for a path and take any 2xx or 3xx (http)."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                if readiness.type != "http":
                    return Probe(ok=True)
                head = f"GET {quote(readiness.path, safe=_SAFE)} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
                writer.write(
                    f"{head}User-Agent: praisonrun\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
                )
                return _judged(await _status_line(reader))
            finally:
                writer.transport.abort()  # the rest of the answer is nobody's business
    except TimeoutError:
        return Probe(ok=False, error=f"no answer within {seconds:.3g} s", cut_short=seconds < LONGEST)
    except OSError as error:
        return Probe(ok=False, error=os.strerror(error.errno).lower() if error.errno else str(error))


async def _status_line(reader: asyncio.StreamReader) -> bytes:
    """Return how an answer begins: its first line or 64 bytes, in however many pieces they come."""
    line = b""
    while b"\n" not in line and len(line) < 64 and (piece := await reader.read(64 - len(line))):
        line += piece
    return line


def _judged(line: bytes) -> Probe:
    if (found := _STATUS.match(line)) is None:
        return Probe(ok=False, error="the answer is not HTTP")
    code = int(found[1])
    good = 200 <= code < 400
    return Probe(good, code, None if good else f"answered {code}")
