"""`praisonrun serve`: its flags and help. The only command that is known while the server starts."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from ..config import HOST, PORT
from .options import Agents, State


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(envvar="PRAISONRUN_HOST", help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(envvar="PRAISONRUN_PORT", help="Port; 0 takes a free one.")] = PORT,
    state: State = None,
    agents: Agents = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            envvar="PRAISONRUN_CONCURRENCY", help="Runs at once (default: twice the CPUs, 4 at least)."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(envvar="PRAISONRUN_ALLOW_HOST", metavar="NAME", help="A further Host name; repeatable."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PRAISONRUN_ALLOW_ORIGIN", metavar="URL", help="A page that may use the API; repeatable."
        ),
    ] = None,
    agent_root: Annotated[
        list[Path] | None,
        typer.Option(
            envvar="PRAISONRUN_AGENT_ROOT",
            metavar="DIR",
            help="Where agent files of requests may lie; repeatable (default: here).",
        ),
    ] = None,
    min_free: Annotated[
        int | None,
        typer.Option(envvar="PRAISONRUN_MIN_FREE", help="Free MB below which runs are refused (256)."),
    ] = None,
    queue_limit: Annotated[
        int | None, typer.Option(envvar="PRAISONRUN_QUEUE_LIMIT", help="Most runs that may wait (10000).")
    ] = None,
    retain_days: Annotated[
        int | None,
        typer.Option(
            envvar="PRAISONRUN_RETAIN_DAYS", help="Days that ended runs are kept (30; 0: for ever)."
        ),
    ] = None,
    retain_gb: Annotated[
        float | None,
        typer.Option(
            envvar="PRAISONRUN_RETAIN_GB", help="GB beyond which the oldest ended runs go (2; 0: no limit)."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="PRAISONRUN_TOKEN_FILE",
            metavar="FILE",
            help="Private file with the token that every request must carry (or PRAISONRUN_TOKEN).",
        ),
    ] = None,
    webhook_secret_file: Annotated[
        Path | None,
        typer.Option(
            envvar="PRAISONRUN_WEBHOOK_SECRET_FILE",
            metavar="FILE",
            help="Private file with the whsec_… secret that signs webhooks; two lines: two, while rotated.",
        ),
    ] = None,
    allow_inline_agents: Annotated[
        bool | None,
        typer.Option(
            "--allow-inline-agents",
            envvar="PRAISONRUN_ALLOW_INLINE_AGENTS",
            help="Let a submit bring its own agents file, and so any command.",
        ),
    ] = None,
) -> None:
    """Start the server. Runs outlive it: stop and start it as you like."""
    from ..config import make

    settings = make(
        host=host,
        port=port,
        state=state,
        agents=agents,
        concurrency=concurrency,
        allow_host=tuple(allow_host or ()),
        allow_origin=tuple(allow_origin or ()),
        agent_root=tuple(agent_root or ()),
        min_free=min_free,
        queue_limit=queue_limit,
        retain_days=retain_days,
        retain_gb=retain_gb,
        token_file=token_file,
        webhook_secret_file=webhook_secret_file,
        token=os.environ.pop("PRAISONRUN_TOKEN", None) or None,
        inline_agents=allow_inline_agents,
    )
    from ..server import serve as serve_with

    raise typer.Exit(serve_with(settings, context.obj or _spawner()))


def _spawner() -> socket.socket:
    from .. import spawner

    return spawner.start()
