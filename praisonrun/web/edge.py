"""The edge of the server: it decides who may talk to it, how much they may send, and in which form.

Pure ASGI with one pass over the headers and no Request object, because every request pays for it. The
order matters: Host first, because a DNS-rebound page sends neither Origin nor Sec-Fetch-Site; then Origin,
because a page of another port is "same-site"; then the token; then the form of the body. Nothing is
buffered: a request is rejected before its body is read.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import Render, problem
from .head import Head, allowed_hosts, is_json, printable, read_head
from .token import Token

RenderOf: TypeAlias = Callable[[str], Render]
"""A path to the form of its dialect's error answers."""

BODY_CAP = 1024 * 1024
LARGE_CAP = 8 * 1024 * 1024
"""Bytes of a body on the paths that take large ones."""
OPEN = "/healthz"
"""The one path that needs no token. It says only that a server is up."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OWN_SITE = frozenset({b"same-origin", b"none"})
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)
"""Headers of every answer that does not set its own."""
_DEFAULT_NAMES = frozenset(name for name, _ in HEADERS)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_CLOSE = {"Connection": "close"}
_VARY = (b"vary", b"Origin")
_EXPOSED = (b"access-control-expose-headers", b"Location, Retry-After, Idempotency-Replayed")
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "content-type, idempotency-key, last-event-id, authorization",
    "Access-Control-Max-Age": "600",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the API, beside the pages and programs of this machine."""

    hosts: Iterable[str] = ()
    """Names served beside the loopback ones, with or without a port."""
    origins: Iterable[str] = ()
    """Foreign origins whose pages may use the API."""
    token: str | None = field(default=None, repr=False)
    """What every path but OPEN requires."""


@dataclass(frozen=True, slots=True)
class BodyCaps:
    """How many bytes a request's body may have."""

    usual: int = BODY_CAP
    large: int = LARGE_CAP
    large_paths: Iterable[str] = ()
    """The paths, as Starlette templates, that take large bodies."""


class Edge:
    """ASGI middleware around the whole app.

    `render` gives the form of rejections (400, 401, 403, 413, 414, 415, 421, 431). Set `port` once the
    socket is bound.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int = 0,
        access: Access = Access(),
        caps: BodyCaps = BodyCaps(),
        render: RenderOf = lambda _path: problem,
    ) -> None:
        self._app = app
        self._extra = tuple(access.hosts)
        self._foreign = frozenset(origin.encode() for origin in access.origins)
        self._token = Token(access.token) if access.token is not None else None
        self._large = re.compile("|".join(map(_pattern, caps.large_paths)) or "(?!)")
        self._caps, self.render = caps, render
        self.port = port

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._port

    @port.setter
    def port(self, port: int) -> None:
        self._port = port
        names = {name.lower() for name in allowed_hosts(port, self._extra)}
        self._hosts = frozenset(name.encode() for name in names)
        self._own = frozenset(f"http://{name}".encode() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject the request, answer a preflight, or pass the request on."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        head, fault = read_head(scope)
        origin = head.get(b"origin")
        foreign = origin is not None and origin in self._foreign
        preflight = foreign and scope["method"] == "OPTIONS" and b"access-control-request-method" in head
        rejected = fault or self._foreign_page(head)
        if rejected is None and not preflight:  # a browser sends a preflight without the page's own headers
            rejected = self._unauthorized(scope, head) or self._bad_form(scope, head)
        send = self._with_headers(send, origin if foreign and not _about_caller(rejected) else None)
        if rejected is not None:
            status, detail = rejected
            headers = _CHALLENGE if status == 401 else _CLOSE if status == 413 else {}
            await self.render(scope["path"])(status, detail, headers)(scope, receive, send)
        elif preflight:
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, send)
        elif b"transfer-encoding" in head:
            await self._counted(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _foreign_page(self, head: Head) -> tuple[int, str] | None:
        host = head.get(b"host")
        if host is None:
            return 400, "the request has no Host header"
        if host not in self._hosts and host.lower() not in self._hosts:
            return 421, f"this server is not {printable(host)}; --allow-host adds a name"
        origin = head.get(b"origin")
        if origin is not None:
            if origin in self._foreign:
                return None
            if origin not in self._own:
                return 403, f"pages of {printable(origin)} may not use this server; --allow-origin adds one"
        if head.get(b"sec-fetch-site", b"none") not in _OWN_SITE:
            return 403, "a page of another site may not use this server"
        return None

    def _unauthorized(self, scope: Scope, head: Head) -> tuple[int, str] | None:
        if self._token is None or (scope["path"] == OPEN and scope["method"] in ("GET", "HEAD")):
            return None
        if self._token.admits(head.get(b"authorization", b"")):
            return None
        return 401, "this server wants its token: Authorization: Bearer …"

    def _bad_form(self, scope: Scope, head: Head) -> tuple[int, str] | None:
        if b"content-encoding" in head:
            return 415, "a request body must not be compressed"
        size = head.get(b"content-length", b"0")
        if size == b"0" and b"transfer-encoding" not in head:
            return None
        if not size.isdigit():
            return 400, "Content-Length is not a number"
        cap = self._cap(scope) if len(size) > 15 or int(size) > self._caps.usual else self._caps.usual
        if len(size) > 15 or int(size) > cap:
            return 413, _too_large(cap)
        if scope["method"] in _WITH_BODY and int(size) + (b"transfer-encoding" in head) and not is_json(head):
            return 415, "Content-Type must be application/json"
        return None

    def _cap(self, scope: Scope) -> int:
        large = scope["method"] == "POST" and self._large.fullmatch(scope["path"])
        return self._caps.large if large else self._caps.usual

    def _with_headers(self, send: Send, origin: bytes | None) -> Send:
        # It is no coroutine, so a stream's chunks need no extra frame.
        def with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                self._add_headers(message, origin)
            return send(message)

        return with_headers

    def _add_headers(self, message: Message, origin: bytes | None) -> None:
        headers = list(message.get("headers", ()))
        present = _DEFAULT_NAMES.intersection([name for name, _ in headers])
        headers += [pair for pair in HEADERS if pair[0] not in present] if present else HEADERS
        if self._foreign:
            headers.append(_VARY)
        if origin is not None:
            headers += ((b"access-control-allow-origin", origin), _EXPOSED)
        message["headers"] = headers

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = cap = self._cap(scope)

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, _too_large(cap), _CLOSE)
            return message

        await self._app(scope, counted, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _pattern(template: str) -> str:
    return "[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", template)))


def _too_large(cap: int) -> str:
    return f"the request body is over {cap} bytes"


def _about_caller(rejected: tuple[int, str] | None) -> bool:
    return rejected is not None and rejected[0] in (400, 403, 421)
