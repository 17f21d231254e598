"""How an agent that would have to ask somebody asks a person: by `praisonrun permission`."""

from __future__ import annotations

import json

from ..config import form
from ..core.agent import Agent
from ..core.question import LONGEST, SHORTEST

NAME = "praisonrun-permission"
"""What its MCP server is called: another one than that of `praisonrun mcp --install`."""
SHARE = 2 / 3
"""The part of an agent's silence that one question may take: it must be denied before the run is stopped."""
SLACK = 120.0
"""Seconds beyond a question's time in which its answer must have come."""


def servers(agent: Agent) -> str:
    """Return the MCP servers, as JSON, by which an agent asks for permission."""
    seconds = patience(agent)
    command, *args = form.program()
    server = {
        "command": command,
        "args": [*args, "permission", "--timeout", f"{seconds:g}"],
        "timeout": round((seconds + SLACK) * 1000),
    }
    return json.dumps({"mcpServers": {NAME: server}})


def patience(agent: Agent) -> float:
    """Return for how many seconds an agent waits for one answer."""
    spans = [span for span in (agent.timeout, agent.idle_timeout) if span is not None]
    return float(max(SHORTEST, min(LONGEST, SHARE * min(spans, default=LONGEST)) // 1))
