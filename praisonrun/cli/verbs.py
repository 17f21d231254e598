"""The flags and help of the commands about runs. Most of them take IDs: see `cli.ids`."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..config.discovery import Named
from .flags import FILE, PATH, as_json, complete_agent, env, one_run, seconds, some_runs, target
from .program import program


@program.command()
@click.argument("prompt", nargs=-1, metavar="[PROMPT]...")
@click.option(
    "--agent",
    metavar="NAME",
    help="Which agent (default: the file's default).",
    shell_complete=complete_agent,
)
@click.option("--agents", help="Its agents file (default: the server's).", **FILE)
@click.option("--timeout", type=seconds, metavar="TIME", help="Stop it after so long: 90, 90s, 5m, 1h30m.")
@click.option("--cwd", metavar="DIR", type=PATH, help="Where it works (default: here, for cwd: caller).")
@env
@click.option("--session", metavar="ID", help="The session that the run belongs to.")
@click.option("-d", "--detach", is_flag=True, help="Print the run's id and leave it in the background.")
@as_json
@click.option("--no-server", is_flag=True, help="Do not start a server if none runs.")
@target
def run(**flags: Any) -> None:
    """Run an agent with PROMPT and print its result. Without one, or where it is -, standard input is read.

    On a terminal its output is shown as it comes. Elsewhere only the result goes to stdout, and all else to
    stderr. If no server runs, one is started.

    Exit code: the agent's own; 1 failed without one; 124 timed out; 128+N killed by signal N; 130 cancelled
    or left; 125 rejected, or the result could not be written.
    After Ctrl-C the run continues in the background; a second Ctrl-C within 3 s cancels it.
    """
    from .run import RunFlags
    from .run import run as follow

    sys.exit(follow(RunFlags(**flags)))


@program.command()
@one_run
@target
@as_json
def attach(server: Named, *, run_id: str, as_json: bool) -> None:
    """Follow a run from its first output on, and end as it ends.

    ID is a run's id, its last 4 or more characters, or @ for the newest (as without one), @2 for the next.
    """
    from .attach import attach as follow

    sys.exit(follow(server, run_id, as_json=as_json))


@program.command()
@click.option("-a", "--all", "every", is_flag=True, help="Finished runs, too.")
@click.option("--status", metavar="STATUS", help="Runs of this status, or of several: failed,cancelled.")
@click.option("--agent", metavar="NAME", help="Runs of this agent.", shell_complete=complete_agent)
@click.option("--session", metavar="ID", help="Runs of this session.")
@click.option(
    "-n", "count", default=50, show_default=True, metavar="N", type=click.IntRange(1), help="At most N."
)
@click.option("-q", "--quiet", is_flag=True, help="Print the ids alone, for other commands.")
@as_json
@target
def ps(server: Named, **flags: Any) -> None:
    """List the runs that wait or run, newest first; with -a all.

    --json prints one run on each line, as the API shows it.
    """
    from .ps import Wanted
    from .ps import ps as show

    sys.exit(show(server, Wanted(**flags)))


@program.command()
@some_runs
@click.option("-f", "--follow", is_flag=True, help="Until the run has finished.")
@click.option("-n", "--tail", metavar="N", type=click.IntRange(0), help="Only the last N lines.")
@click.option("--since", metavar="TIME", help="Only what was printed since: 2026-12-31T23:59Z, or 5m ago.")
@click.option("-t", "--timestamps", is_flag=True, help="The time before each line.")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]), help="Only one of the two.")
@as_json
@target
def logs(server: Named, **flags: Any) -> None:
    """Print what runs have printed, byte for byte.

    ID is as for `attach`. The lines of several runs have their agents and ids before them, and are in the
    order of time. --json prints an object for each line: job_id, ts, text. Ctrl-C leaves the runs alone.
    """
    from .logs import Wanted
    from .logs import logs as show

    sys.exit(show(server, Wanted(**flags)))


@program.command("show")
@one_run
@as_json
@target
def show_run(server: Named, *, run_id: str, as_json: bool) -> None:
    """Show all that is known of a run.

    ID is as for `attach`. --json prints one object: the run as the API shows it, with its result once it
    has finished, its artifacts and its webhooks.
    """
    from .show import show

    sys.exit(show(server, run_id, as_json=as_json))
