"""How far away a client is, as far as this server can tell."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from starlette.requests import Request

from ..core.delivery import Reach
from ..webhooks import reach_of

FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
"""Headers of proxies. A proxy's address says nothing about its clients."""


def caller(request: Request) -> Reach:
    """Return how far away a request comes from; PUBLIC, which allows least, where it is unknown."""
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
    # None stands for a link-local client: it is on a network of this machine.
    return reach_of(address) or Reach.PRIVATE
