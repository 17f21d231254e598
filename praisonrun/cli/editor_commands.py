"""The flags and help of the commands for editors and the agents inside them."""

from __future__ import annotations

import sys

import click

from ..config.discovery import Named
from .flags import target
from .program import program

CLIENTS = ("claude", "codex", "cursor", "vscode")


@program.command()
@click.option(
    "--install",
    "client",
    type=click.Choice(CLIENTS),
    help="Have CLIENT use it: add it, or print what to paste.",
    metavar="CLIENT",
)
@target
def mcp(server: Named, *, client: str | None) -> None:
    """Let a model run agents, by MCP.

    An editor or a coding agent starts this, and talks to it on standard input and output. It uses the server
    that is up, and starts one as `run` does. A server has the same tools at /mcp. CLIENT is claude, codex,
    cursor or vscode.
    """
    if client is not None:
        from .mcp_install import install

        sys.exit(install(server, client))
    from .mcp import serve

    sys.exit(serve(server))
