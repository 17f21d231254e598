"""Every other command's flags and help. What they do is imported when they are called.

Exit codes: 0 well, 1 not, 2 the command line or a file is at fault; `run` adds its own (see there).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Host, Port, State, program
from .serve import serve

app = program()
app.command()(serve)


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
