"""The flags and help of the commands that wait for runs, and change what becomes of them."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..config.discovery import Named
from .flags import as_json, complete_agent, env, one_run, seconds, some_runs, target
from .program import program


@program.command()
@some_runs
@click.option("--any", "first", is_flag=True, help="Only until one of them has finished.")
@click.option("--timeout", type=seconds, metavar="TIME", help="At most so long: 90, 90s, 5m, 1h30m.")
@as_json
@target
def wait(server: Named, **flags: Any) -> None:
    """Wait until runs have finished, and print how each ended.

    ID is as for `attach`. Exit code: that of `run`; of several runs, of the first named one that did not
    succeed, or with --any of the one that ended. 124 after the timeout. --json prints their statuses.
    """
    from .wait import Wanted
    from .wait import wait as until

    sys.exit(until(server, Wanted(**flags)))


@program.command()
@some_runs
@click.option("--all", "every", is_flag=True, help="Every run that waits or runs.")
@click.option("--agent", metavar="NAME", shell_complete=complete_agent, help="The runs of this agent.")
@click.option("--session", metavar="ID", help="The runs of this session.")
@click.option("--status", metavar="STATUS", help="The runs of this status: queued or running.")
@as_json
@target
def cancel(server: Named, **flags: Any) -> None:
    """Cancel runs, and wait until they have ended.

    ID is as for `attach`. A run's children are cancelled, too. Exit code: 1 if a named run had finished.
    """
    from .cancel import Wanted
    from .cancel import cancel as end

    sys.exit(end(server, Wanted(**flags)))


@program.command()
@one_run
@click.option("--edit", is_flag=True, help="First edit its prompt, with your EDITOR.")
@env
@click.option("-d", "--detach", is_flag=True, help="Print the new run's id and leave it in the background.")
@as_json
@target
def retry(server: Named, **flags: Any) -> None:
    """Run a finished run once more, as a new run.

    ID is as for `attach`. Variables that were given with --env are given again: they were never stored.
    Output and exit codes are those of `run`.
    """
    from .retry import Wanted
    from .retry import retry as again

    sys.exit(again(server, Wanted(**flags)))
