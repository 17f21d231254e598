"""`praisonrun mcp --install`: how a client comes to start `praisonrun mcp`. No token is in a command line."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..config import form
from ..config.discovery import Named
from ..core.errors import ConfigError

NAME = "praisonrun"
_ADD = {"claude": "npm install -g @anthropic-ai/claude-code", "codex": "npm install -g @openai/codex"}
"""The clients that add a server by a command of theirs, and how they are installed."""


def install(named: Named, client: str) -> int:
    """Add `praisonrun mcp` to a client, or print the JSON for its settings; return the exit code."""
    words = [*form.program(), "mcp", *flags(named)]
    if client not in _ADD:
        where, shown = _PRINTED[client]
        print(json.dumps(shown(words), indent=2))
        print(f"paste this into {where}", file=sys.stderr)
        return 0
    found = shutil.which(client)
    add = [client, "mcp", "add", NAME, "--", *words]
    if found is None:
        raise ConfigError(f"{client} is not on PATH; install it ({_ADD[client]}), then: {shlex.join(add)}")
    code = subprocess.run([found, *add[1:]], check=False).returncode
    if code:
        print(f"praisonrun: {shlex.join(add)} failed", file=sys.stderr)
    return 1 if code else 0


def flags(named: Named) -> list[str]:
    """Return the options that mean the same server, with whole paths: a client starts it anywhere."""
    paths = {"--state": named.state, "--token-file": named.token_file}
    others = {"--host": named.host, "--port": named.port, "--url": named.url}
    given = {name: str(Path(path).absolute()) for name, path in paths.items() if path is not None}
    given |= {name: str(value) for name, value in others.items() if value is not None}
    return [word for pair in given.items() for word in pair]


def _cursor(words: Sequence[str]) -> dict[str, object]:
    return {"mcpServers": {NAME: {"command": words[0], "args": list(words[1:])}}}


def _vscode(words: Sequence[str]) -> dict[str, object]:
    return {"servers": {NAME: {"type": "stdio", "command": words[0], "args": list(words[1:])}}}


_PRINTED: dict[str, tuple[str, Callable[[Sequence[str]], dict[str, object]]]] = {
    "cursor": ("~/.cursor/mcp.json, or .cursor/mcp.json of a project", _cursor),
    "vscode": (".vscode/mcp.json of a project, or what `MCP: Open User Configuration` opens", _vscode),
}
