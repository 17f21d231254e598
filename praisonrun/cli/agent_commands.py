"""The flags and help of the commands about agents: their file, and what a server offers of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..config.discovery import Named
from .flags import PATH, as_json, complete_agent, env, target
from .program import program

_service = click.argument("service", required=False, shell_complete=complete_agent)


@program.command()
@click.argument("file", type=PATH, default="agents.yaml")
@as_json
def init(file: Path, *, as_json: bool) -> None:
    """Write an agents file with the agents that are on your PATH."""
    from .init import init as write

    sys.exit(write(file, as_json=as_json))


@program.command()
@click.argument("file", type=PATH, required=False)
@click.option("--strict", is_flag=True, help="Exit 1 if a program is missing.")
@as_json
@click.option("--schema", is_flag=True, help="Print a JSON Schema of agents.yaml, for editors.")
def check(file: Path | None, *, strict: bool, as_json: bool, schema: bool) -> None:
    """Check FILE or ./agents.yaml, and look for its programs."""
    from .check import check as report
    from .check import print_schema

    sys.exit(print_schema() if schema else report(file, strict=strict, as_json=as_json))


@program.command()
@as_json
@click.option("--known", is_flag=True, help="List the agents that an entry can `use:`, by a recipe.")
@target
def agents(server: Named, *, as_json: bool, known: bool) -> None:
    """List the agents that can be run, and what is missing for them.

    Where no server runs, they are those of ./agents.yaml. --json prints what GET /api/v1/agents answers.
    """
    from .agents import agents as show
    from .agents import recipes

    sys.exit(recipes(as_json=as_json) if known else show(server, as_json=as_json))


@program.group(invoke_without_command=True)
@click.option("-a", "--all", "every", is_flag=True, help="Stopped and failed ones, too.")
@as_json
@target
@click.pass_context
def services(context: click.Context, /, server: Named, *, every: bool, as_json: bool) -> None:
    """List services: what runs until it is stopped, and where.

    A SERVICE is the name of its agent, or the end of its id, as for runs. `praisonrun logs` shows its output.
    """
    from .services import services as show

    if context.invoked_subcommand is None:
        sys.exit(show(server, every=every, as_json=as_json))


@services.command("start")
@click.argument("agent", shell_complete=complete_agent)
@env
@as_json
@target
def start_service(server: Named, *, agent: str, env: tuple[str, ...], as_json: bool) -> None:
    """Start a service of AGENT, and wait until it is ready."""
    from .services import start

    sys.exit(start(server, agent, env, as_json=as_json))


@services.command("restart")
@_service
@env
@as_json
@target
def restart_service(server: Named, *, service: str | None, env: tuple[str, ...], as_json: bool) -> None:
    """Start a service again under its id, and wait until it is ready."""
    from .services import restart

    sys.exit(restart(server, service, env, as_json=as_json))


@services.command("stop")
@_service
@as_json
@target
def stop_service(server: Named, *, service: str | None, as_json: bool) -> None:
    """Stop a service, and wait until its process is gone."""
    from .services import stop

    sys.exit(stop(server, service, as_json=as_json))


@services.command("url")
@_service
@as_json
@target
def url_of_service(server: Named, *, service: str | None, as_json: bool) -> None:
    """Print where a service answers."""
    from .services import url

    sys.exit(url(server, service, as_json=as_json))
