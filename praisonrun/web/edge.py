"""The edge of the server: it decides who may talk to it, how much they may send, and in which form.

Pure ASGI with one pass over the headers and no Request object, because every request pays for it. The
order matters: Host first, because a DNS-rebound page sends neither Origin nor Sec-Fetch-Site; then Origin,
because a page of another port is "same-site"; then the token; then the form of the body. Nothing is
buffered: a request is rejected before its body is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..config.origins import allows, origin
from ..config.settings import may_be_host
from .access_log import Strangers, told
from .errors import Render, problem
from .head import Fault, Head, Token, allowed_hosts, is_json, of_page, printable, read_head, routed, visits
from .transport import ABORT, HEADERS

RenderOf: TypeAlias = Callable[[str], Render]
"""A path to the form of its dialect's error answers."""

BODY_CAP, LARGE_CAP = 1024 * 1024, 8 * 1024 * 1024
"""Bytes of a body, and of one on a path that takes large ones."""
OPEN = "/healthz"
"""The one path that needs no token. It says only that a server is up."""
PROOF = "/api/v1/info"
"""The path that needs none with a challenge: a client wants the answer before it shows its token."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OWN_SITE = frozenset({b"same-origin", b"none"})
_DEFAULT_NAMES = frozenset(name for name, _ in HEADERS)
_CLOSE = {"Connection": "close"}
_HEADERS_OF = {401: {"WWW-Authenticate": "Bearer"}, 413: _CLOSE}
"""Headers of a rejection, by its status."""
_VARY = (b"vary", b"Origin")
_EXPOSED = (
    b"access-control-expose-headers",
    b"Location, Retry-After, ETag, Idempotency-Replayed, Praisonrun-Cursor",
)
_PRIVATE = {"Access-Control-Allow-Private-Network": "true"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "content-type, idempotency-key, last-event-id, if-none-match, authorization, prefer"
    ),
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


class Edge:
    """ASGI middleware around the whole app.

    `render` gives the form of rejections (400, 401, 403, 413, 414, 415, 421, 431); `large_paths` are
    Starlette templates. Call `set_port` once the socket is bound.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int = 0,
        access: Access = Access(),
        large_paths: Iterable[str] = (),
        render: RenderOf = lambda _path: problem,
    ) -> None:
        self._app = app
        self._extra = tuple(access.hosts)
        self._foreign = frozenset(origin.encode() for origin in access.origins)
        self._token = Token(access.token) if access.token is not None else None
        self._large = [compile_path(path)[0] for path in large_paths]
        self._strangers = Strangers()
        self.admitted = 0
        """Requests so far, without those for OPEN and those that were rejected."""
        self.render = render
        self.set_port(port)

    def set_port(self, port: int) -> None:
        """Serve the names of this machine with the port that the server listens on."""
        names = {name.lower() for name in allowed_hosts(port, self._extra)}
        self._hosts = frozenset(name.encode() for name in names)
        self._own = frozenset(f"http://{name}".encode() for name in names)

    def leave(self) -> None:
        """Break the connection of whoever asks from now on: nothing may be taken by a server that leaves."""
        self._app = _broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        scope["path"] = routed(scope)
        send = told(scope, send)
        head, fault = read_head(scope)
        origin = head.get(b"origin")
        foreign = self._is_named(origin)
        preflight = foreign and scope["method"] == "OPTIONS" and b"access-control-request-method" in head
        stranger = None if fault else self._foreign_page(scope, head)
        if not (fault or stranger or preflight):  # a browser's preflight lacks the page's own headers
            stranger = self._unauthorized(scope, head)
            fault = None if stranger else self._bad_form(scope, head)
        if stranger is not None:
            self._strangers.rejected(scope, stranger)
        rejected = fault or stranger
        self.admitted += rejected is None and scope["path"] != OPEN
        about_caller = rejected is not None and rejected[0] in (400, 403, 421)
        send = self._with_headers(send, origin if foreign and not about_caller else None)
        answer: ASGIApp = self._app
        if rejected is not None:
            answer = self.render(scope["path"])(*rejected, _HEADERS_OF.get(rejected[0]))
        elif preflight:
            private = _PRIVATE if b"access-control-request-private-network" in head else {}
            answer = Response(status_code=204, headers=_PREFLIGHT | private)
        elif b"transfer-encoding" in head:
            receive = _counted(receive, self._cap(scope))
        return await answer(scope, receive, send)

    def _is_named(self, origin: bytes | None) -> bool:
        return origin is not None and bool(self._foreign) and allows(self._foreign, origin)

    def _foreign_page(self, scope: Scope, head: Head) -> Fault | None:
        host = head.get(b"host")
        if host is None:
            return 400, "the request has no Host header"
        if host not in self._hosts and host.lower() not in self._hosts:
            name = printable(host)
            advice = f"; --allow-host {name} lets it be" if may_be_host(name) else ""
            return 421, f"this server is not {name}{advice}"
        origin = head.get(b"origin")
        if self._is_named(origin):
            return None
        if origin is not None and origin not in self._own:
            return 403, _stranger(origin)
        if head.get(b"sec-fetch-site", b"none") not in _OWN_SITE and not visits(scope, head):
            return 403, "a page of another site may not use this server"
        return None

    def _unauthorized(self, scope: Scope, head: Head) -> Fault | None:
        path, query = scope["path"], scope["query_string"]
        proof = path == PROOF and query.startswith(b"challenge=") and b"&" not in query
        open_to_all = path == OPEN or proof or of_page(scope)
        free = open_to_all and scope["method"] in ("GET", "HEAD")
        if self._token is None or free or self._token.admits(head.get(b"authorization", b"")):
            return None
        return 401, "this server wants its token: Authorization: Bearer …"

    def _bad_form(self, scope: Scope, head: Head) -> Fault | None:
        if b"content-encoding" in head:
            return 415, "a request body must not be compressed"
        size = head.get(b"content-length", b"0")
        if size == b"0" and b"transfer-encoding" not in head:
            return None
        if not size.isdigit():
            return 400, "Content-Length is not a number"
        cap = self._cap(scope) if len(size) > 15 or int(size) > BODY_CAP else BODY_CAP
        if len(size) > 15 or int(size) > cap:
            return 413, _too_large(cap)
        if scope["method"] in _WITH_BODY and int(size) + (b"transfer-encoding" in head) and not is_json(head):
            return 415, "Content-Type must be application/json"
        return None

    def _cap(self, scope: Scope) -> int:
        large = scope["method"] == "POST" and any(path.match(scope["path"]) for path in self._large)
        return LARGE_CAP if large else BODY_CAP

    def _with_headers(self, send: Send, origin: bytes | None) -> Send:
        # It is no coroutine, so a stream's chunks need no extra frame.
        def with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = _DEFAULT_NAMES.intersection([name for name, _ in headers])
                headers += [pair for pair in HEADERS if pair[0] not in present] if present else HEADERS
                if self._foreign:
                    headers.append(_VARY)
                if origin is not None:
                    headers += ((b"access-control-allow-origin", origin), _EXPOSED)
                message["headers"] = headers
            return send(message)

        return with_headers


async def _broken(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope["extensions"][ABORT]["now"]()


def _stranger(sent: bytes) -> str:
    """Return why a page may not use this server, and what helps, if anything does."""
    page = f"pages of {printable(sent)} may not use this server"
    named = origin(sent.decode("latin-1"))
    if named is not None:
        return f"{page}; --allow-origin {named} lets them"
    if sent == b"null":
        return f"{page}: a file or a sandboxed frame has no origin; open the page from a web server"
    return page


def _counted(receive: Receive, cap: int) -> Receive:
    left = cap

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, _too_large(cap), _CLOSE)
        return message

    return counted


def _too_large(cap: int) -> str:
    return f"the request body is over {cap} bytes"
