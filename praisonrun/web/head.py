"""The head of a request: its limits, the headers that matter to the edge, and the names of this server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from starlette.types import Scope

Head: TypeAlias = dict[bytes, bytes]
URL_CAP = 8 * 1024
HEAD_CAP = 32 * 1024
HEADERS_CAP = 100
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_SINGLE = frozenset(
    {b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"content-encoding"}
)
_WATCHED = _SINGLE | {b"transfer-encoding", b"access-control-request-method", b"authorization"}
_JSON = frozenset(
    {b"application/json", b"application/json;charset=utf-8", b'application/json;charset="utf-8"'}
)


def read_head(scope: Scope) -> tuple[Head, tuple[int, str] | None]:
    """Return the headers that the edge checks, and the status and detail of a fault in the head."""
    head: Head = {}
    pairs = scope["headers"]
    total = 0
    fault: tuple[int, str] | None = None
    for name, value in pairs:
        total += len(name) + len(value)
        if name in _WATCHED:
            if name in head and name in _SINGLE:
                fault = (400, f"more than one {name.decode().title()} header")
            head[name] = value
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > URL_CAP:
        fault = (414, f"the URL is over {URL_CAP} bytes")
    elif total > HEAD_CAP or len(pairs) > HEADERS_CAP:
        fault = (431, f"the headers are over {HEAD_CAP} bytes, or more than {HEADERS_CAP}")
    return head, fault


def is_json(head: Head) -> bool:
    """Say whether a request's Content-Type is application/json."""
    kind = head.get(b"content-type", b"")
    return kind in _JSON or kind.replace(b" ", b"").replace(b"\t", b"").lower() in _JSON


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
