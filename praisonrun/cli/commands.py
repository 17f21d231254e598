"""The flags and help of every command. A command's work is imported when it is called.

Exit codes: 0 success, 1 failure, 2 a fault in the command line or a file, or no server; `run` has its own.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from ..config.discovery import Named
from ..config.settings import HOST, PORT, Settings, make
from ..core import durations

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(readable=False, path_type=Path)  # whoever opens it says what is wrong, in one line
FILE: dict[str, Any] = {"type": PATH, "metavar": "FILE"}
LONGEST = 366 * 86_400
DIR: dict[str, Any] = {"type": PATH, "metavar": "DIR"}


def setting(flag: str, text: str, *names: str, **given: Any) -> Callable[[Command], Command]:
    """Return an option with its help; its variable sets it, too: `--min-free` and PRAISONRUN_MIN_FREE."""
    variable = "PRAISONRUN" + flag.removeprefix("-").replace("-", "_").upper()
    return click.option(flag, *names, help=text, envvar=variable, show_envvar=True, **given)


state = setting("--state", "Where runs are kept (default: your state directory).", **DIR)


def seconds(text: str) -> int:
    """Return the whole seconds of `90` or of a duration such as `1h30m`. Raises BadParameter."""
    found = durations.parse(f"{text}s" if text.isdecimal() else text)
    if found is None or found % 1 or not 1 <= found <= LONGEST:
        near = durations.meant(text)
        write = near if near and near != text else "90, 90s, 5m or 1h30m"
        raise click.BadParameter(f"{text[:40]!r} is no time from 1 second to 366 days; write {write}")
    return int(found)


def target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which server it means, as one argument `server`."""

    @functools.wraps(command)
    def gathered(**flags: Any) -> None:
        named = {each.name: flags.pop(each.name) for each in fields(Named)}
        command(server=Named(**named), **flags)

    host = setting("--host", "Address of the server that is started (default: 127.0.0.1).")
    port = setting("--port", "Its port (default: a free one).", type=click.IntRange(1, 65535), metavar="N")
    token = setting("--token-file", "Private file with its token (default: the running server's).", **FILE)
    url = setting("--url", "A server on another machine; needs --token-file.", metavar="URL")
    return state(host(port(token(url(gathered)))))


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from .info import version

        click.echo(version())
        context.exit()


@click.group(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def program() -> None:
    """Run any agent as a durable, cancellable, streamable local job."""


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
@click.option("--adopt", is_flag=True, help="Continue with a copied state directory as with one of its own.")
@click.pass_obj
def serve(run: Callable[[Settings], int], /, **flags: Any) -> None:
    """Start the server. Runs outlive it: stop and start it as you like."""
    sys.exit(run(make(token=os.environ.pop("PRAISONRUN_TOKEN", None) or None, **flags)))


@program.command()
@click.argument("prompt", nargs=-1, metavar="[PROMPT]...")
@click.option("--agent", metavar="NAME", help="Which agent (default: the file's default).")
@click.option("--agents", help="Its agents file (default: the server's).", **FILE)
@target
@click.option("--timeout", type=seconds, metavar="TIME", help="Stop it after so long: 90, 90s, 5m, 1h30m.")
@click.option("--cwd", metavar="DIR", type=PATH, help="Where it works (default: here, for cwd: caller).")
@click.option("--session", metavar="ID", help="The session that the run belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result object and nothing else.")
@click.option("--no-server", is_flag=True, help="Do not start a server if none runs.")
def run(**flags: Any) -> None:
    """Run an agent with PROMPT and print its result. Without one, or where it is -, standard input is read.

    Only the result goes to stdout; everything else goes to stderr. If no server runs, one is started.

    Exit code: the agent's own; 1 failed without one; 124 timed out; 128+N killed by signal N; 130 cancelled
    or left; 125 rejected, or the result could not be written.
    After Ctrl-C the run continues in the background; a second Ctrl-C within 3 s cancels it.
    """
    from .run import RunFlags
    from .run import run as follow

    sys.exit(follow(RunFlags(**flags)))


@program.command()
@click.option("--cancel", is_flag=True, help="First cancel every run and service, and wait until they end.")
@target
def stop(server: Named, *, cancel: bool) -> None:
    """Stop the server. Its runs continue in the background, unless --cancel."""
    from .local import stop as end

    sys.exit(end(server, cancel=cancel))


@program.command()
@click.argument("file", type=PATH, required=False)
@click.option("--strict", is_flag=True, help="Exit 1 if a program is missing.")
def check(file: Path | None, *, strict: bool) -> None:
    """Check FILE or ./agents.yaml: is it valid, and are the agents' programs installed?"""
    from .check import check as report

    sys.exit(report(file, strict=strict))


@program.command()
@state
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(state: Path | None, *, as_json: bool) -> None:
    """Show what this praisonrun is made of, where its state is, and which server runs."""
    from .info import print_info

    sys.exit(print_info(state, as_json=as_json))


@program.command("service-file")
@click.argument("manager", type=click.Choice(["systemd", "launchd"]), required=False)
@click.argument("arguments", nargs=-1, metavar="[SERVE-OPTIONS]...")
def service_file(manager: str | None, arguments: tuple[str, ...]) -> None:
    """Print a unit for `systemd --user`, or a property list for launchd, that keeps a server up.

    Options of `serve` follow two dashes: praisonrun service-file systemd -- --agents /srv/agents.yaml
    """
    from .service_file import print_service_file

    sys.exit(print_service_file(manager, arguments))


@program.group(no_args_is_help=True)
def webhooks() -> None:
    """List webhooks, and send them again."""


@webhooks.command("list")
@click.option("--dead", is_flag=True, help="Only webhooks that were given up.")
@target
def list_webhooks(server: Named, *, dead: bool) -> None:
    """List the newest webhooks: run, state, attempts, receiver."""
    from .webhooks import show

    sys.exit(show(server, dead=dead))


@webhooks.command("replay")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Every webhook that was given up.")
@target
def replay_webhooks(server: Named, run: str | None, *, every: bool) -> None:
    """Send the webhook of RUN again, or with --all every webhook that was given up."""
    from .webhooks import replay

    sys.exit(replay(server, run, every=every))
