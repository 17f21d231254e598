"""The flags and help of the commands about a server.

A command's work is imported when it is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..config.discovery import INSIDE, Named
from ..config.settings import HOST, PORT, Settings, make
from ..core.errors import ConfigError
from .flags import DIR, FILE, as_json, command, complete_agent, complete_id, seconds, setting, state, target
from .program import program


@program.command()
@setting("--host", "Address to listen on.", default=HOST, show_default=True)
@setting("--port", "Port; 0 takes a free one.", type=int, default=PORT, show_default=True, metavar="N")
@state
@setting("--agents", "The agents to offer (default: ./agents.yaml).", **FILE)
@setting(
    "--concurrency", "Runs at the same time (default: twice the CPUs, at least 4).", type=int, metavar="N"
)
@setting("--allow-host", "A Host name to accept, too; repeatable.", multiple=True, metavar="NAME")
@setting("--allow-origin", "Origin of a page that may use the API; repeatable.", multiple=True, metavar="URL")
@setting(
    "--agent-root", "Where agent files of requests may be; repeatable (default: here).", multiple=True, **DIR
)
@setting(
    "--cwd-root",
    "Where runs of `cwd: caller` may work; repeatable (default: your directories).",
    multiple=True,
    **DIR,
)
@setting("--min-free", "Free space below which runs are rejected (256).", type=int, metavar="MB")
@setting("--queue-limit", "Most runs that may wait (10000).", type=int, metavar="N")
@setting("--retain-days", "How long finished runs are kept (30; 0: for ever).", type=int, metavar="DAYS")
@setting("--retain-gb", "Space that finished runs may take (2; 0: no limit).", type=float, metavar="GB")
@setting(
    "--token-file", "Private file with the token that requests must carry (or PRAISONRUN_TOKEN).", **FILE
)
@setting(
    "--webhook-secret-file",
    "Private file with the whsec_… secret that signs webhooks; two lines during a rotation.",
    **FILE,
)
@setting(
    "--allow-inline-agents",
    "Allow a submit to bring its own agents file, and so to run any command.",
    "inline_agents",
    is_flag=True,
    default=None,
)
@setting(
    "--idle-exit",
    "Stop after so long without anything to do: 90, 90s, 5m, 1h30m.",
    type=seconds,
    metavar="TIME",
)
@setting("--on-end", "A program to start when a run is finished.", type=command, metavar="COMMAND")
@setting("--on-ask", "A program to start when an agent asks something.", type=command, metavar="COMMAND")
@setting("--verbose", "Log each request and each step of a run, too.", "-v", is_flag=True, default=None)
@setting("--log-json", "Log a JSON object on each line.", is_flag=True, default=None)
@click.option("--adopt", is_flag=True, help="Continue with a copied state directory as with one of its own.")
@click.pass_obj
def serve(run: Callable[[Settings], int], /, **flags: Any) -> None:
    """Start the server. Runs outlive it: stop and start it as you like."""
    if INSIDE in os.environ:
        instead = f"ask the one that is up; for one that the run must have, unset {INSIDE}"
        raise ConfigError(f"inside a run ({INSIDE}) no server is started: {instead}")
    sys.exit(run(make(token=os.environ.pop("PRAISONRUN_TOKEN", None) or None, **flags)))


@program.command()
@click.option(
    "--agents", help="The agents that a server offers which is started (default: ./agents.yaml).", **FILE
)
@as_json
@target
def up(server: Named, *, agents: Path | None, as_json: bool) -> None:
    """Have a server in the background; print its address.

    If none is up, one is started. It stays until it is stopped, also one that `run` has started. --json
    prints what `info --json` does.
    """
    from .up import up as have

    sys.exit(have(server, agents, as_json=as_json))


@program.command()
@click.option("--cancel", is_flag=True, help="First cancel every run and service, and wait until they end.")
@as_json
@target
def stop(server: Named, *, cancel: bool, as_json: bool) -> None:
    """Stop the server. Its runs continue in the background, unless --cancel."""
    from .stop import stop as end

    sys.exit(end(server, cancel=cancel, as_json=as_json))


@program.command("open")
@click.argument("run_id", metavar="[ID]", required=False, shell_complete=complete_id)
@as_json
@target
def open_page(server: Named, *, run_id: str | None, as_json: bool) -> None:
    """Show every run in a browser, or the run ID.

    The page's address is printed. A token goes along in a part of the address that is never sent, and is in
    no command line.
    """
    from .page import show

    sys.exit(show(server, run_id, as_json=as_json))


@program.command()
@click.argument("agent", required=False, shell_complete=complete_agent)
@as_json
@target
def pause(server: Named, *, agent: str | None, as_json: bool) -> None:
    """Let no run of AGENT, or of any, start until it is resumed. What runs continues.

    Submits are taken meanwhile, and services start. A pause outlives the server.
    """
    from .queue import change

    sys.exit(change(server, "pause", agent, as_json=as_json))


@program.command()
@click.argument("agent", required=False, shell_complete=complete_agent)
@as_json
@target
def resume(server: Named, *, agent: str | None, as_json: bool) -> None:
    """Let the runs of AGENT, or of every agent, start again."""
    from .queue import change

    sys.exit(change(server, "resume", agent, as_json=as_json))


@program.command()
@target
@as_json
def info(server: Named, *, as_json: bool) -> None:
    """Show which praisonrun this is, and how its server is."""
    from .info import print_info

    sys.exit(print_info(server, as_json=as_json))
