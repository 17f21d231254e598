"""One attempt at a delivery: resolve the name, check every address, connect to one, send, read briefly.

It uses a bare transport: no redirects, no proxies, no cookies, no credentials from the environment.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, cast

from .. import __version__
from ..core.delivery import Delivery, Reach, Reply
from ..core.errors import escaped
from . import policy, schedule
from .policy import Address, Own, Target
from .resolver import Resolve, Resolver, Unresolved
from .signing import Signer

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 20.0
"""Seconds from the look-up of the name to the head of the answer."""
BODY_SECONDS = 1.0
BODY_LIMIT = 64 * 1024
"""Bytes of an answer's body that are read; its status has already decided."""
SHOWN = 200
"""Characters of the body that are kept."""
ADDRESSES = 4
"""Addresses of a name that are tried in turn."""
UNREACHABLE = "the receiver has no address that its caller may use"
"""All that a caller from elsewhere learns: it must not find out what a name means on this machine."""

Transports: TypeAlias = "Callable[[str], httpx2.AsyncBaseTransport]"
"""A scheme to what speaks it."""


class Sender:
    """Makes attempts. `own` is where this server listens; `resolve` and `transports` are for tests."""

    def __init__(
        self,
        signer: Signer,
        own: Own,
        now: Callable[[], int],
        *,
        resolve: Resolve | None = None,
        transports: Transports | None = None,
        total: float = TOTAL_SECONDS,
    ) -> None:
        self._signer, self.own, self._now, self._total = signer, own, now, total
        self._resolve = resolve or Resolver()
        self._make = transports or transport
        self._made: dict[str, httpx2.AsyncBaseTransport] = {}

    async def send(self, delivery: Delivery, body: bytes) -> Reply:
        """Make one attempt and return what it came to; a receiver's failure is a value, not an error."""
        at, start = self._now(), time.monotonic()
        status, error, text, pause = None, None, None, None
        try:
            answer = await self._answer(delivery, body, at)
            status, text = answer.status_code, await _text(answer)
            pause = schedule.retry_after(status, answer.headers.get("retry-after"), self._now())
            if not 200 <= status < 300:
                error = f"answered {status}" + ("; redirects are not followed" if 300 <= status < 400 else "")
        except (policy.Rejected, Unresolved) as refused:
            error = _short(str(refused)) if delivery.reach is Reach.LOOPBACK else UNREACHABLE
        except TimeoutError:
            error = f"no answer within {self._total:g} s"
        except _broken() as broken:
            error = _words(broken)
        shown = text if delivery.reach is Reach.LOOPBACK else None
        return Reply(at, round(time.monotonic() - start, 6), status, error, shown, pause)

    async def aclose(self) -> None:
        """Close every connection."""
        for made in self._made.values():
            await made.aclose()
        self._made.clear()

    async def _answer(self, delivery: Delivery, body: bytes, at: int) -> httpx2.Response:
        async with asyncio.timeout(self._total):
            target = policy.parse(delivery.url)
            *others, last = await self._judged(target, delivery.reach)
            headers = {
                "Host": target.authority,
                "User-Agent": f"praisonrun/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
                "Content-Type": "application/json",
                **self._signer.headers(delivery.id, at, body),
            }
            speaks = await self._transport(target.scheme)
            import httpx2  # only now: the thread that made the transport has paid for it

            for address in others:
                with suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                    return await speaks.handle_async_request(self._request(target, address, headers, body))
            return await speaks.handle_async_request(self._request(target, last, headers, body))

    async def _judged(self, target: Target, reach: Reach) -> list[Address]:
        """Return the addresses to try in turn. Raises Rejected if even one of all may not be used."""
        found = target.addresses or await self._resolve(target.host, target.port)
        if not found:
            raise Unresolved("the name has no address")
        for address in found:
            policy.check_address(address, target.port, reach, self.own)
        return found[:ADDRESSES]

    def _request(
        self, target: Target, address: Address, headers: dict[str, str], body: bytes
    ) -> httpx2.Request:
        """Return a request that connects to the address and is, for the receiver, one to the host."""
        import httpx2

        host = f"[{address}]" if address.version == 6 else str(address)
        seconds = {"connect": CONNECT_SECONDS, "read": self._total, "write": self._total, "pool": self._total}
        url = httpx2.URL(f"{target.scheme}://{host}:{target.port}{target.path}")
        extensions = {"timeout": seconds, "sni_hostname": target.host}
        return httpx2.Request("POST", url, headers=headers, content=body, extensions=extensions)

    async def _transport(self, scheme: str) -> httpx2.AsyncBaseTransport:
        if scheme not in self._made:
            made = await asyncio.to_thread(self._make, scheme)  # certificates take a while to read
            self._made.setdefault(scheme, made)
        return self._made[scheme]


def transport(scheme: str, tls: ssl.SSLContext | None = None) -> httpx2.AsyncBaseTransport:
    """Return what speaks a scheme: a connection for each request, certificates verified."""
    import httpx2

    alone = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    verify = (tls or True) if scheme == "https" else False
    return httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=alone)


async def _text(answer: httpx2.Response) -> str:
    """Return the beginning of the body; a slow or long rest is not read."""
    begun = b""
    try:
        with suppress(TimeoutError, *_broken()):
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in cast("AsyncIterable[bytes]", answer.stream):
                    begun += chunk
                    if len(begun) >= BODY_LIMIT:
                        break
    finally:
        await answer.aclose()
    return _short(begun[: 4 * SHOWN].decode("utf-8", "replace"))


def _short(text: str) -> str:
    """Return the first characters of a stranger's text, with control characters escaped."""
    return escaped(text[:SHOWN])


def _broken() -> tuple[type[Exception], ...]:
    import httpx2

    return httpx2.TransportError, httpx2.InvalidURL, httpx2.StreamError, OSError


def _words(error: Exception) -> str:
    import httpx2

    if isinstance(error, httpx2.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.ProtocolError):
        return "the answer is not HTTP"
    kind = "cannot connect" if isinstance(error, httpx2.ConnectError) else "the connection broke"
    return f"{kind}: {_short(str(error))}" if str(error) else kind
