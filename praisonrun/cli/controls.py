"""The flags and help of the commands that wait for runs, and change what becomes of them."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..config.discovery import Named
from .flags import as_json, complete_agent, complete_id, env, one_run, seconds, some_runs, target
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
@click.argument("words", metavar="ID [QUESTION] ANSWER", nargs=-1, required=True, shell_complete=complete_id)
@as_json
@target
def answer(server: Named, *, words: tuple[str, ...], as_json: bool) -> None:
    """Answer what a run's agent asks.

    ID is as for `attach`. QUESTION may be left out where the run asks one alone. An answer that begins with a
    dash follows two: praisonrun answer @ -- -1. Exit code: 1 if it is too late, or has another answer.
    """
    from .answer import answer as tell

    sys.exit(tell(server, words, as_json=as_json))


@program.command()
@click.argument("question")
@click.option("--options", multiple=True, metavar="A,B", help="What may be answered; repeatable.")
@click.option("--default", metavar="TEXT", help="The answer if nobody gives one in time.")
@click.option("--timeout", type=seconds, metavar="TIME", help="Wait so long: 90, 5m, at most 7d (10m).")
@click.option(
    "--id", "ask_id", metavar="ID", help="Its name: one that was asked before is the same question."
)
@click.option("--permission", is_flag=True, help="It asks whether the agent may do something.")
@as_json
def ask(**flags: Any) -> None:
    """Inside an agent: ask a person, wait, and print the answer.

    Exit code: 0 answered, also by the default; 1 denied: nobody answered in time; 2 not inside an agent, or
    not a question that can be asked.
    """
    from .ask import Wanted
    from .ask import ask as wait_for

    sys.exit(wait_for(Wanted(**flags)))


@program.command()
@click.option(
    "--timeout",
    type=seconds,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="Wait so long for each answer.",
)
@click.option("--hook", is_flag=True, help="Answer one hook instead, which is on standard input.")
def permission(*, timeout: float, hook: bool) -> None:
    """Inside an agent: ask a person what the agent may do, for it.

    A coding agent starts this, and talks to it by MCP on standard input and output: for Claude Code it is the
    --permission-prompt-tool. An entry with `approve: ask` uses it. What nobody allows in time is denied. With
    --hook it is what Codex, Gemini CLI and Qwen Code can run before a tool: exit code 2 denies. Outside an
    agent such a hook decides nothing.
    """
    from .permission import serve
    from .permission_hook import answer_once

    sys.exit(answer_once(timeout) if hook else serve(timeout))


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
