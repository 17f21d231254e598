"""`praisonrun permission` to the SDK's own client, in both of the protocol's eras."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ..cli.test_ask import inside, replying
from ..rigs.mcp_rig import MCPError, over_stdio

__all__ = ["inside"]  # a fixture
BASH = {"tool_name": "Bash", "input": {"command": "ls"}, "tool_use_id": "toolu_1"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdk_s_client_asks_and_reads_the_decision(mode: str, inside: Path) -> None:
    words = [sys.executable, "-m", "praisonrun", "permission", "--timeout", "5m"]
    async with over_stdio(words, inside, dict(os.environ), mode) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "ask"
        with replying(inside, '{"id": "@", "answer": "allow"}\n') as asked:
            answer = await client.call_tool("ask", BASH)
        assert (asked[0]["question"], asked[0]["timeout"]) == ("Allow Bash?\n  command: ls", 300)
        (part,) = answer.content
        assert part.type == "text"
        assert json.loads(part.text) == {"behavior": "allow", "updatedInput": {"command": "ls"}}
        with pytest.raises(MCPError, match="there is one tool, ask"):
            await client.call_tool("rm", {})
