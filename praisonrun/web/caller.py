"""How far away whoever asks is, as far as this server can tell."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from starlette.requests import Request

from ..core.model import Reach
from ..webhooks import reach_of

FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
"""Headers of a proxy, whose own address says nothing about its clients."""


def caller(request: Request) -> Reach:
    """Return where a request comes from; what cannot be told is public, which allows least."""
    client = request.scope["client"]
    if client is None or not FORWARDED.isdisjoint([name for name, _ in request.scope["headers"]]):
        return Reach.PUBLIC
    return _reach(client[0])


@lru_cache(1024)
def _reach(host: str) -> Reach:
    try:
        address = ip_address(host)
    except ValueError:
        return Reach.PUBLIC
    # None: a link-local client, which is on a network of this machine.
    return reach_of(address) or Reach.PRIVATE
