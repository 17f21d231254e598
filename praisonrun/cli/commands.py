"""Every command's flags and help. What they do is imported when they are called.

Exit codes: 0 well, 1 not, 2 the command line or a file is at fault; `run` adds its own (see there).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..config import HOST, PORT
from ..errors import BadRequest, ConfigError, Invalid, NotFound, PraisonrunError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # without it typer imports rich for every message
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run any agent as a durable, cancellable, streamable local job.",
)

Host = Annotated[
    str | None,
    typer.Option(envvar="PRAISONRUN_HOST", help="Address of the server (default: the state directory's)."),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, envvar="PRAISONRUN_PORT", metavar="N", help="Its port (default: likewise)."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        envvar="PRAISONRUN_STATE", metavar="DIR", help="Where runs are kept (default: your state directory)."
    ),
]
Agents = Annotated[
    Path | None,
    typer.Option(
        envvar="PRAISONRUN_AGENTS", metavar="FILE", help="The agents to offer (default: ./agents.yaml)."
    ),
]


def main(spawner: socket.socket | None = None, arguments: Sequence[str] | None = None) -> int:
    """Run one command; `spawner` is the socket of a spawner forked early. Ends with SystemExit or a code."""
    try:
        app(arguments, prog_name="praisonrun", obj=spawner)
    except PraisonrunError as error:
        print(f"praisonrun: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | Invalid | BadRequest | NotFound) else 1
    return 0


def _version(wanted: bool) -> None:
    if wanted:
        print(f"praisonrun {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run any agent as a durable, cancellable, streamable local job."""


@app.command()
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


@app.command()
def run(
    prompt: Annotated[str, typer.Argument(help="What the agent shall do; - reads it from stdin.")],
    agent: Annotated[str | None, typer.Option(help="Which agent (default: the file's default).")] = None,
    agents: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its agents file (default: the server's).")
    ] = None,
    host: Host = None,
    port: Port = None,
    state: State = None,
    timeout: Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="When to stop it.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Group of runs it belongs to.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole result object, nothing else.")
    ] = False,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Do not start a server if none runs.")
    ] = False,
) -> None:
    """Run an agent and print its result.

    The result alone goes to stdout, all else to stderr. If no server answers, one is started for the run.

    Exit code: 0, or the agent's own; 1 failed without one; 124 timed out; 130 cancelled or left.
    Ctrl-C leaves the run going; a second one within 3 s cancels it.
    """
    from .run import Wish
    from .run import run as follow

    wish = Wish(
        prompt=prompt,
        agent=agent,
        agents=agents,
        host=host,
        port=port,
        state=state,
        timeout=timeout,
        session=session,
        as_json=as_json,
        no_server=no_server,
    )
    raise typer.Exit(follow(wish))


@app.command()
def stop(
    cancel: Annotated[
        bool, typer.Option("--cancel", help="First cancel every run, and wait for their ends.")
    ] = False,
    host: Host = None,
    port: Port = None,
    state: State = None,
) -> None:
    """Stop the server. Its runs go on, unless --cancel."""
    from .stop import stop as end

    raise typer.Exit(end(state, host, port, cancel=cancel))


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="An agents file (default: ./agents.yaml).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a program is missing.")] = False,
) -> None:
    """Check an agents file. Says whether the agents' programs are installed."""
    from .check import check as report

    raise typer.Exit(report(file, strict=strict))


webhooks = typer.Typer(no_args_is_help=True, help="What became of the webhooks, and sending them again.")
app.add_typer(webhooks, name="webhooks")


@webhooks.command("list")
def list_webhooks(
    dead: Annotated[bool, typer.Option("--dead", help="Only those that were given up.")] = False,
    host: Host = None,
    port: Port = None,
    state: State = None,
) -> None:
    """List the newest webhooks: run, state, attempts, receiver."""
    from .webhooks import show

    raise typer.Exit(show(state, host, port, dead=dead))


@webhooks.command("replay")
def replay_webhooks(
    run_id: Annotated[str | None, typer.Argument(metavar="RUN", help="Whose webhook to send.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every webhook that was given up.")] = False,
    host: Host = None,
    port: Port = None,
    state: State = None,
) -> None:
    """Send a run's webhook again, whatever became of it, or every one that was given up."""
    from .webhooks import replay

    raise typer.Exit(replay(state, host, port, run_id, every=every))
