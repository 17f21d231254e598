"""The flags and help of the commands about a server and its files.

A command's work is imported when it is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..config.discovery import Named
from ..config.settings import HOST, PORT, Settings, make
from .flags import DIR, FILE, as_json, complete_agent, complete_id, seconds, setting, state, target
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
@setting("--verbose", "Log each request and each step of a run, too.", "-v", is_flag=True, default=None)
@setting("--log-json", "Log a JSON object on each line.", is_flag=True, default=None)
@click.option("--adopt", is_flag=True, help="Continue with a copied state directory as with one of its own.")
@click.pass_obj
def serve(run: Callable[[Settings], int], /, **flags: Any) -> None:
    """Start the server. Runs outlive it: stop and start it as you like."""
    sys.exit(run(make(token=os.environ.pop("PRAISONRUN_TOKEN", None) or None, **flags)))


@program.command()
@click.option(
    "--agents", help="The agents that a server offers which is started (default: ./agents.yaml).", **FILE
)
@as_json
@target
def up(server: Named, *, agents: Path | None, as_json: bool) -> None:
    """Have a server in the background; print its address.

    If none is up, one is started, and stays until it is stopped. --json prints what `info --json` does.
    """
    from .up import up as have

    sys.exit(have(server, agents, as_json=as_json))


@program.command()
@click.option("--cancel", is_flag=True, help="First cancel every run and service, and wait until they end.")
@target
def stop(server: Named, *, cancel: bool) -> None:
    """Stop the server. Its runs continue in the background, unless --cancel."""
    from .local import stop as end

    sys.exit(end(server, cancel=cancel))


@program.command("open")
@click.argument("run_id", metavar="[ID]", required=False, shell_complete=complete_id)
@target
def open_page(server: Named, *, run_id: str | None) -> None:
    """Show every run in a browser, or the run ID.

    The page's address is printed. A token goes along in a part of the address that is never sent, and is in
    no command line.
    """
    from .page import show

    sys.exit(show(server, run_id))


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


@program.command("service-file")
@click.argument("manager", type=click.Choice(["systemd", "launchd"]), required=False)
@click.argument("arguments", nargs=-1, metavar="[SERVE-OPTIONS]...")
def service_file(manager: str | None, arguments: tuple[str, ...]) -> None:
    """Print what keeps a server up: a unit for systemd, or a plist.

    Options of `serve` follow two dashes: praisonrun service-file systemd -- --agents /srv/agents.yaml
    """
    from .service_file import print_service_file

    sys.exit(print_service_file(manager, arguments))


@program.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, agents and runs."""
    from .completion import print_completion

    sys.exit(print_completion(shell))


@program.group(no_args_is_help=True)
def webhooks() -> None:
    """List webhooks, and send them again."""


@webhooks.command("list")
@click.option("--dead", is_flag=True, help="Only webhooks that were given up.")
@as_json
@target
def list_webhooks(server: Named, *, dead: bool, as_json: bool) -> None:
    """List the newest webhooks: run, state, attempts, receiver.

    --json prints one on each line, as the API shows it.
    """
    from .webhooks import show

    sys.exit(show(server, dead=dead, as_json=as_json))


@webhooks.command("replay")
@click.argument("run", required=False, shell_complete=complete_id)
@click.option("--all", "every", is_flag=True, help="Every webhook that was given up.")
@as_json
@target
def replay_webhooks(server: Named, run: str | None, *, every: bool, as_json: bool) -> None:
    """Send the webhook of RUN again, or with --all every webhook that was given up.

    RUN is an ID as for `attach`.
    """
    from .webhooks import replay

    sys.exit(replay(server, run, every=every, as_json=as_json))
