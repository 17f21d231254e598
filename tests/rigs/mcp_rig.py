"""What tests of MCP share: the SDK's own client of a server, over HTTP and over standard input and output."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .harness import Json, Server

pytest.importorskip("mcp", reason="the MCP SDK is missing: pip install 'praisonrun[mcp]'")

from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

__all__ = ["FORMS", "MCPError", "Model", "connect", "over_stdio"]

FORMS = ("http", "http of the handshake", "stdio", "stdio of the handshake")


def connect(
    form: str, server: Server, home: Path, http: httpx2.AsyncClient | None = None
) -> AbstractAsyncContextManager[Client]:
    """Return the SDK's client of one form: which transport, and which of the protocol's two eras."""
    mode: Any = "legacy" if "handshake" in form else "auto"
    if form.startswith("http"):
        return Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=mode)
    words = [sys.executable, "-m", "praisonrun", "mcp", "--state", str(server.state)]
    return over_stdio(words, home, dict(server.environ), mode)


def over_stdio(
    words: list[str], home: Path, env: dict[str, str], mode: Any
) -> AbstractAsyncContextManager[Client]:
    """Return the SDK's client of a command, which is started in a directory."""
    started = StdioServerParameters(command=words[0], args=words[1:], cwd=home, env=env)
    return Client(stdio_client(started), mode=mode)


class Model:
    """Calls tools as a model would, and reads what they say."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told: list[str] = []
        """The messages of progress notifications."""

    async def does(self, tool: str, **given: Json) -> tuple[dict[str, Any], str]:
        """Return the facts of a tool's answer, and the text of others in it."""
        answer = await self.client.call_tool(tool, given, progress_callback=self._progress)
        texts = [part.text for part in answer.content if part.type == "text"]
        assert not answer.is_error, texts
        return json.loads(texts[0]), "\n".join(texts[1:])

    async def fails(self, tool: str, **given: Json) -> str:
        """Return the one line that a tool's fault is told in."""
        answer = await self.client.call_tool(tool, given)
        (part,) = answer.content
        assert answer.is_error
        assert part.type == "text"
        assert "\n" not in part.text
        return part.text

    async def reads(self, uri: str) -> str:
        """Return the text of a resource."""
        (found,) = (await self.client.read_resource(uri)).contents
        return str(found.model_dump()["text"])

    async def _progress(self, progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or 0)
        self.told.append(message or "")
