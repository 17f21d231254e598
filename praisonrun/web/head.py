"""The head of a request: its limits, the headers that the edge checks, its token, how far its client is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import TypeAlias

from starlette.requests import Request
from starlette.types import Scope

from ..core.delivery import Reach
from ..webhooks import reach_of

Head: TypeAlias = dict[bytes, bytes]
Fault: TypeAlias = tuple[int, str]
"""A status and the detail of its error answer."""
URL_CAP = 8 * 1024
HEAD_CAP = 32 * 1024
HEADERS_CAP = 100
URL_TOO_LONG: Fault = (414, f"the URL is over {URL_CAP} bytes")
HEAD_TOO_LARGE: Fault = (431, f"the headers are over {HEAD_CAP} bytes, or more than {HEADERS_CAP}")
SWEEP = 1.0
"""Seconds between two checks of the deadlines."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
"""Headers of proxies. A proxy's address says nothing about its clients."""

PAGE, PAGE_OF_RUN, PAGE_FILES = "/", "/ui/runs/", "/ui/assets/"
"""Where the page for browsers is, and what the paths of its other parts begin with."""

_SINGLE = frozenset(
    {b"host", b"origin", b"content-type", b"content-length", b"content-encoding"}
    | {b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"}
)
_WATCHED = (
    _SINGLE
    | {b"transfer-encoding", b"access-control-request-method", b"authorization"}
    | {b"access-control-request-private-network"}
)
_JSON = frozenset(
    {b"application/json", b"application/json;charset=utf-8", b'application/json;charset="utf-8"'}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server accepts from its clients. Times are seconds; the check may come SWEEP later."""

    head: float = 9.0
    """From the start of a connection, or the first byte of a head, to the end of the head."""
    body: float = 29.0
    """From the end of the head to the end of the body."""
    stalled: float = 60.0
    """How long a client may read nothing of an answer."""
    connections: int = 1024
    """Beyond this number the longest idle connection is closed; if none is idle, the new one gets a 503."""
    pipelined: int = 16
    """Requests that may wait on one connection for the answer to an earlier one."""


def read_head(scope: Scope) -> tuple[Head, Fault | None]:
    """Return the headers that the edge checks, and the fault in the head."""
    head: Head = {}
    pairs = scope["headers"]
    total = 0
    fault: Fault | None = None
    for name, value in pairs:
        total += len(name) + len(value)
        if name in _WATCHED:
            if name in head and name in _SINGLE:
                fault = (400, f"more than one {name.decode().title()} header")
            head[name] = value
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > URL_CAP:
        fault = URL_TOO_LONG
    elif total > HEAD_CAP or len(pairs) > HEADERS_CAP:
        fault = HEAD_TOO_LARGE
    return head, fault


def routed(scope: Scope) -> str:
    """Return the path by which a request is routed: a slash at its end means nothing, but in a file's."""
    path: str = scope["path"]
    if not path.endswith("/") or len(path) == 1 or "/artifacts/" in path[:-1]:
        return path
    sent: bytes = scope.get("raw_path") or b"/"
    return path[:-1] if sent.partition(b"?")[0].endswith(b"/") else path  # else it is %2F, part of a name


def wants_page(scope: Scope) -> bool:
    """Say whether a client asks for HTML, as browsers do."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def of_page(scope: Scope) -> bool:
    """Say whether the answer is one of the page's files, or a text that says no more: they need no token."""
    path: str = scope["path"]
    if path == PAGE or path.startswith(PAGE_FILES):
        return True
    return path.startswith(PAGE_OF_RUN) and wants_page(scope)


def visits(scope: Scope, head: Head) -> bool:
    """Say whether a person follows a link of another site to the page: nothing of ours is in a frame then.

    A browser says so in headers that no page can set. The page itself changes nothing and shows its data only
    to its own scripts, so a visit tells the other site nothing.
    """
    fetched = head.get(b"sec-fetch-mode"), head.get(b"sec-fetch-dest")
    whole = fetched == (b"navigate", b"document") and scope["method"] in ("GET", "HEAD")
    path: str = scope["path"]
    return (
        whole
        and b"origin" not in head
        and (path == PAGE or path.startswith(PAGE_OF_RUN))
        and wants_page(scope)
    )


_ABSOLUTE = re.compile(rb"http://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def origin_form(target: bytes) -> tuple[bytes, bytes] | None:
    """Return the authority and the path with query of an absolute http URL; None for another target."""
    match = _ABSOLUTE.fullmatch(target)
    if match is None or not match[1]:
        return None
    return match[1], match[2] if match[2].startswith(b"/") else b"/" + match[2]


def is_json(head: Head) -> bool:
    return head.get(b"content-type", b"").replace(b" ", b"").replace(b"\t", b"").lower() in _JSON


def allowed_hosts(port: int, extra: Iterable[str] = ()) -> list[str]:
    """Return the Host values that a server on `port` accepts."""
    hosts = [f"{name}:{port}" for name in LOOPBACK]
    if port == 80:  # browsers omit the default port
        hosts += LOOPBACK
    for name in extra:
        hosts += [name] if _has_port(name) else [name, f"{name}:{port}"]
    return hosts


def _has_port(name: str) -> bool:
    host, colon, port = name.rpartition(":")
    return bool(colon) and port.isdigit() and not (host.startswith("[") and not host.endswith("]"))


def printable(value: bytes) -> str:
    """Return the start of a header's value without control characters, for an error message."""
    text = value[:100].decode("latin-1")
    return "".join(char if char.isprintable() else "?" for char in text) or "(empty)"


class Token:
    """The digest of the access token, so that no crash report contains the token."""

    __slots__ = ("_digest",)

    def __init__(self, token: str) -> None:
        self._digest = sha256(token.encode()).digest()

    def admits(self, authorization: bytes) -> bool:
        """Say whether an Authorization header's value is `Bearer` and the token."""
        scheme, _, given = authorization.partition(b" ")
        # In constant time: all digests have the same length, so it reveals not even the token's length.
        same = compare_digest(sha256(given.strip(b" ")).digest(), self._digest)
        return same and scheme.lower() == b"bearer"


def caller(request: Request) -> Reach:
    """Return how far away a request comes from; PUBLIC, which allows least, where it is unknown."""
    client = request.scope["client"]
    if client is None or not FORWARDED.isdisjoint([name for name, _ in request.scope["headers"]]):
        return Reach.PUBLIC
    return _reach(client[0])


@lru_cache(1024)
def _reach(host: str) -> Reach:
    try:
        # None stands for a link-local client: it is on a network of this machine.
        return reach_of(ip_address(host)) or Reach.PRIVATE
    except ValueError:
        return Reach.PUBLIC
