"""praisonrun as an MCP server, by the official SDK. Importing it costs half a second and 30 MB."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mcp import types
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.types import Receive, Scope, Send

from .. import __version__
from ..core.errors import PraisonrunError
from . import resources, table, tools
from .api import Api

INVALID = -32602
"""JSON-RPC: invalid params."""
logging.getLogger("mcp").setLevel(logging.ERROR)  # it tells of each request, and warns of each bad one


def made(api: Api) -> Server[Any]:
    """Return a server of one API's tools and resources."""
    handlers = _Handlers(api)
    return Server(
        "praisonrun",
        version=__version__,
        instructions=table.ABOUT,
        get_tool_input_schema=_schema_of,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
    )


async def serve_stdio(api: Api) -> None:
    """Serve standard input and output until the client leaves."""
    server = made(api)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def serve_request(api: Api, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request, which is all that this server knows of its client."""
    manager = StreamableHTTPSessionManager(made(api), stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _schema_of(name: str) -> Mapping[str, Any] | None:
    tool = table.TOOLS.get(name)
    return table.schema(tool) if tool else None


class _Handlers:
    """What the SDK calls. Each is given the request's context and its parameters."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def list_tools(self, _context: Any, _page: Any) -> types.ListToolsResult:
        agents = []
        with suppress(PraisonrunError):  # a tool's call says what is wrong
            agents = [tools.described(agent) for agent in tools.runnable(await self._api.agents())]
        return types.ListToolsResult(tools=[_shown(tool, agents) for tool in table.TOOLS.values()])

    async def call_tool(self, context: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        tool = table.TOOLS.get(asked.name)
        if tool is None:
            raise MCPError(
                INVALID, f"there is no tool {asked.name[:100]!r}; there are {', '.join(table.TOOLS)}"
            )
        answer = await table.call(self._api, tool, asked.arguments or {}, context.session.report_progress)
        content: list[Any] = [types.TextContent(type="text", text=text) for text in answer.texts]
        return types.CallToolResult(content=content, is_error=answer.failed)

    async def list_resources(self, _context: Any, _page: Any) -> types.ListResourcesResult:
        with _Told():
            found = await resources.listed(self._api)
        shown = [
            types.Resource(uri=one.uri, name=one.name, description=one.description, size=one.size)
            for one in found
        ]
        return types.ListResourcesResult(resources=shown)

    async def list_templates(self, _context: Any, _page: Any) -> types.ListResourceTemplatesResult:
        shown = [
            types.ResourceTemplate(uri_template=uri, name=name, description=description)
            for uri, (name, description) in resources.TEMPLATES.items()
        ]
        return types.ListResourceTemplatesResult(resource_templates=shown)

    async def read_resource(
        self, _context: Any, asked: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(asked.uri)
        with _Told():
            found = await resources.read(self._api, uri)
        one: types.TextResourceContents | types.BlobResourceContents
        if found.blob is not None:
            one = types.BlobResourceContents(uri=uri, blob=found.blob, mime_type="application/octet-stream")
        else:
            one = types.TextResourceContents(uri=uri, text=found.text or "", mime_type="text/plain")
        return types.ReadResourceResult(contents=[one])


class _Told:
    """Turns an error of ours into one of the protocol: a resource has no other way to say it."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PraisonrunError):
            raise MCPError(INVALID, error.message) from None


def _shown(tool: table.Tool, agents: list[dict[str, Any]]) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=tool.reads,
        destructive_hint=tool.destroys,
        idempotent_hint=tool.reads or tool.destroys,
        open_world_hint=tool.name in ("submit_run", "retry_run"),
    )
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=table.schema(tool, agents),
        annotations=hints,
    )
