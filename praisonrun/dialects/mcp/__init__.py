"""MCP by streamable HTTP, stateless: `POST /mcp`. The SDK is imported for the first request, if it is there.

A server that nobody asks by MCP neither pays its 30 MB nor its half second. So this is the second request
that imports modules: it does so in a thread, and only while the program's files are those that the server was
started from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import ModuleType

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ...config import form
from ...core.errors import Unavailable, escaped
from ...engine.engine import Engine
from ...web.errors import STATUSES
from ...web.operations import Answer, Dialect, operation, operations
from ...web.responses import StreamLimits, json_response
from .inside import Inside

TAG = "mcp"
HOW = (
    "this praisonrun has no MCP SDK: pip install 'praisonrun[mcp]', then praisonrun stop, and start it again"
)
REPLACED = "praisonrun's files were replaced since this server started: praisonrun stop, and start it again"
_ANSWERS = {
    200: Answer("A JSON-RPC response, or a stream of events that ends with one.", "application/json"),
    202: Answer("A notification was taken."),
    501: Answer("The MCP SDK is not installed."),
}
_FAULT = -32600
"""JSON-RPC: an invalid request."""


def dialect(endpoint: Mcp) -> Dialect:
    """Return the dialect of an endpoint."""
    return Dialect(("mcp",), operations(endpoint, tag=TAG), STATUSES, render)


def render(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    error: Exception | None = None,  # noqa: ARG001
) -> Response:
    """Return an error as JSON-RPC has it for what is the answer to no request."""
    return json_response(
        {"jsonrpc": "2.0", "id": None, "error": {"code": _FAULT, "message": detail}}, status, headers
    )


class Mcp:
    """The endpoint. Its tools ask the server's own API, without a connection, as whoever calls them."""

    def __init__(self, engine: Engine, limits: StreamLimits) -> None:
        self._engine, self._limits = engine, limits
        self._program, self._turn = form.mark(), asyncio.Lock()
        self._server: ModuleType | None = None
        self.app: ASGIApp | None = None
        """All dialects; set once they are known."""

    @operation("POST", "/mcp", _ANSWERS)
    async def mcp(self, _request: Request) -> Response:
        """Call a tool, or read a resource, by MCP."""
        try:
            server = self._server or await self._load()
        except ModuleNotFoundError as error:
            if error.name != "mcp":
                raise Unavailable(f"the MCP SDK cannot be imported: {escaped(str(error))}") from error
            return render(501, HOW)
        except ImportError as error:
            raise Unavailable(f"the MCP SDK cannot be imported: {escaped(str(error))}") from error
        return self._limits.limited(_Exchange(self, server), "/mcp", sse=False)

    async def _load(self) -> ModuleType:
        async with self._turn:
            if self._server is None:
                if self._program is None or form.mark() != self._program:
                    raise Unavailable(REPLACED)
                self._server = await asyncio.to_thread(_imported)
        return self._server

    def inside(self, scope: Scope) -> Inside:
        """Return the API for whoever sent a request. Raises Unavailable when the server stops."""
        assert self.app is not None
        return Inside(self.app, scope, lambda: self._engine.journals.dismissed)


class _Exchange(Response):
    """The SDK's answer to a request."""

    def __init__(self, endpoint: Mcp, server: ModuleType) -> None:
        super().__init__()
        self._endpoint, self._server = endpoint, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.serve_request(self._endpoint.inside(scope), scope, receive, send)


def _imported() -> ModuleType:
    from ...mcp import server

    return server
