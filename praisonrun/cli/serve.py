"""`praisonrun serve`: its flags and help."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from ..config.settings import HOST, PORT, Settings
from .options import PATH, setting, state


@click.command()
@setting("--host", default=HOST, show_default=True, help="Address to listen on.")
@setting("--port", type=int, default=PORT, show_default=True, metavar="N", help="Port; 0 takes a free one.")
@state
@setting("--agents", type=PATH, metavar="FILE", help="The agents to offer (default: ./agents.yaml).")
@setting(
    "--concurrency",
    type=int,
    metavar="N",
    help="Runs at the same time (default: twice the CPUs, at least 4).",
)
@setting("--allow-host", multiple=True, metavar="NAME", help="A Host name to accept, too; repeatable.")
@setting(
    "--allow-origin", multiple=True, metavar="URL", help="Origin of a page that may use the API; repeatable."
)
@setting(
    "--agent-root",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Where the agent files of requests may be; repeatable (default: here).",
)
@setting("--min-free", type=int, metavar="MB", help="Free space below which runs are rejected (256).")
@setting("--queue-limit", type=int, metavar="N", help="Most runs that may wait (10000).")
@setting("--retain-days", type=int, metavar="DAYS", help="How long finished runs are kept (30; 0: for ever).")
@setting("--retain-gb", type=float, metavar="GB", help="Space that finished runs may take (2; 0: no limit).")
@setting(
    "--token-file",
    type=PATH,
    metavar="FILE",
    help="Private file with the token that every request must carry (or PRAISONRUN_TOKEN).",
)
@setting(
    "--webhook-secret-file",
    type=PATH,
    metavar="FILE",
    help="Private file with the whsec_… secret that signs webhooks; two lines during a rotation.",
)
@setting(
    "--allow-inline-agents",
    "inline_agents",
    is_flag=True,
    default=None,
    help="Allow a submit to bring its own agents file, and so to run any command.",
)
@click.pass_obj
def serve(run: Callable[[Settings], int], /, **flags: Any) -> None:
    """Start the server. Runs outlive it: stop and start it as you like."""
    from ..config.settings import make

    sys.exit(run(make(token=os.environ.pop("PRAISONRUN_TOKEN", None) or None, **flags)))
