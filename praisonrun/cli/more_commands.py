"""The flags and help of the commands about webhooks, and about what this machine has of praisonrun."""

from __future__ import annotations

import sys

import click

from ..config.discovery import Named
from .flags import as_json, complete_id, target
from .program import program


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


@program.command("service-file")
@click.argument("manager", type=click.Choice(["systemd", "launchd"]), required=False)
@click.argument("arguments", nargs=-1, metavar="[SERVE-OPTIONS]...")
@as_json
def service_file(manager: str | None, arguments: tuple[str, ...], *, as_json: bool) -> None:
    """Print what keeps a server up: a unit for systemd, or a plist.

    Options of `serve` follow two dashes: praisonrun service-file systemd -- --agents /srv/agents.yaml
    """
    from .service_file import print_service_file

    sys.exit(print_service_file(manager, arguments, as_json=as_json))


@program.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@as_json
def completion(shell: str, *, as_json: bool) -> None:
    """Print what makes SHELL complete commands, agents and runs."""
    from .completion import print_completion

    sys.exit(print_completion(shell, as_json=as_json))
