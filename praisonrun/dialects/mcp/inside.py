"""Requests to the server's own API without a connection. They come from where the outer request came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.types import ASGIApp, Message, Scope

from ...core.errors import Unavailable
from ...core.json import Json, dumps
from ...mcp.api import MOST, Query, Reply, asked
from ...web.head import FORWARDED

_KEPT = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "extensions")
"""What the inner request has of the outer one: who asks, and by which address."""
_FROM = FORWARDED | {b"host"}
"""Its headers that the inner request has, too."""
STOPPING = "the server is stopping; call this again in some seconds"


class Inside:
    """The API for the client of one request, whom the edge has let in already (see `mcp.api.Api`)."""

    def __init__(self, app: ASGIApp, outer: Scope, stopping: Callable[[], bool]) -> None:
        self._app, self._stopping = app, stopping
        self._scope = {name: outer[name] for name in _KEPT if name in outer}
        self._headers = [(name, value) for name, value in outer["headers"] if name in _FROM]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST,
    ) -> Reply:
        """Return the answer to a request. Raises Unavailable where the server stops."""
        if self._stopping():
            raise Unavailable(STOPPING)
        content = b"" if body is None else dumps(body)
        given = {"content-type": "application/json", "accept": "application/json", **(headers or {})}
        sent = [(name.encode(), value.encode()) for name, value in given.items()]
        scope = {
            **self._scope,
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": urlencode(query or {}).encode(),
            "headers": [*self._headers, *sent, (b"content-length", b"%d" % len(content))],
        }
        exchange = _Exchange(content, most)
        await self._app(scope, exchange.receive, exchange.send)
        return Reply(exchange.status, exchange.headers, bytes(exchange.body), exchange.cut)

    async def agents(self) -> dict[str, Any]:
        """Return what agents there are."""
        return await asked(self, "GET", "/api/v1/agents")

    def given(self, agent: Mapping[str, Any]) -> dict[str, Json]:  # noqa: ARG002
        """Return nothing: what surrounds this server is not the client's."""
        return {}


class _Exchange:
    """One request and its answer."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content: bytes | None = content
        self._most = most
        self._enough = asyncio.Event()
        self.status, self.headers, self.body = 0, dict[str, str](), bytearray()

    @property
    def cut(self) -> bool:
        """Whether the answer is longer than what was wanted of it."""
        return self._enough.is_set()

    async def receive(self) -> Message:
        """Give the body; then say that the client has left, once it has enough."""
        if self._content is not None:
            content, self._content = self._content, None
            return {"type": "http.request", "body": content, "more_body": False}
        await self._enough.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the answer, as far as it is wanted."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
            return
        part = message.get("body", b"")
        room = self._most - len(self.body)
        self.body += part[:room]
        if len(part) > room:
            self._enough.set()
            await asyncio.sleep(0)  # what makes the rest hears of it
