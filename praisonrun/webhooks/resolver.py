"""Names to addresses, on threads of their own: a name server that hangs must not delay anything else.

A look-up cannot be cancelled, so its thread is a daemon, and nobody waits for it longer than SECONDS. Callers
that ask for the same name share one look-up. There are never more than LOOKUPS at once.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, TypeAlias

from .policy import Address

SECONDS = 5.0
LOOKUPS = 16

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[Address]]]
"""Returns all addresses of a host and port. Raises Unresolved."""


class Unresolved(Exception):
    """A name without an address. The message says why."""


class Resolver:
    """The system's resolver, bounded. Call it with a host and a port."""

    def __init__(
        self, lookup: Callable[..., Sequence[Any]] = socket.getaddrinfo, seconds: float = SECONDS
    ) -> None:
        self._lookup, self._seconds = lookup, seconds
        self._asked: dict[str, Future[list[Address]]] = {}

    async def __call__(self, host: str, port: int) -> list[Address]:
        """Return every address of a host, in the system's order. Raises Unresolved."""
        found = self._asked.get(host) or self._ask(host, port)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(found)
        except TimeoutError:
            raise Unresolved("the name server did not answer in time") from None
        except (OSError, UnicodeError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no such name"
            raise Unresolved(f"the name cannot be resolved: {why}") from None

    def _ask(self, host: str, port: int) -> Future[list[Address]]:
        if len(self._asked) >= LOOKUPS:
            raise Unresolved("too many names are being looked up")
        found = self._asked[host] = Future()
        found.set_running_or_notify_cancel()  # a caller that waits no longer must not end it for the others
        found.add_done_callback(lambda _: self._asked.pop(host))

        def look() -> None:
            try:
                answers = self._lookup(host, port, type=socket.SOCK_STREAM)
                texts = dict.fromkeys(answer[4][0] for answer in answers)
                found.set_result([ip_address(text) for text in texts])
            except Exception as error:
                found.set_exception(error)

        threading.Thread(target=look, name="webhook name look-up", daemon=True).start()
        return found


def addresses_of(host: str) -> frozenset[Address]:
    """Return the addresses at which a server that listens on `host` is reached, loopback apart."""
    own = _address(host)
    if own is None:
        with suppress(OSError):
            return frozenset(ip_address(answer[4][0]) for answer in socket.getaddrinfo(host, None))
        return frozenset()
    if not own.is_unspecified:
        return frozenset({own})
    import psutil

    texts = [given.address for each in psutil.net_if_addrs().values() for given in each]
    return frozenset(address for text in texts if (address := _address(text)) is not None)


def _address(text: str) -> Address | None:
    with suppress(ValueError):  # a hardware address
        return ip_address(text.split("%")[0])
    return None
