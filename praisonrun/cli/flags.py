"""The flags that several commands have, and what their words mean."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..config.discovery import Named
from ..core import durations

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(readable=False, path_type=Path)  # whoever opens it says what is wrong, in one line
FILE: dict[str, Any] = {"type": PATH, "metavar": "FILE"}
DIR: dict[str, Any] = {"type": PATH, "metavar": "DIR"}
LONGEST = 366 * 86_400
"""Seconds of the longest time that a flag takes."""


def setting(flag: str, text: str, *names: str, **given: Any) -> Callable[[Command], Command]:
    """Return an option with its help; its variable sets it, too: `--min-free` and PRAISONRUN_MIN_FREE."""
    variable = "PRAISONRUN" + flag.removeprefix("-").replace("-", "_").upper()
    return click.option(flag, *names, help=text, envvar=variable, show_envvar=True, **given)


state = setting("--state", "Where runs are kept (default: your state directory).", **DIR)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
"""Of the commands that print one JSON object, or one on each line."""


def complete_id(context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the id of a run."""
    from .completion import ends_of_ids

    return ends_of_ids(context, begun)


def complete_agent(context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of an agent."""
    from .completion import names_of_agents

    return names_of_agents(context, begun)


one_run = click.argument("run_id", metavar="[ID]", default="@", shell_complete=complete_id)
"""Of the commands about one run: see `cli.ids`. Without an id it is the newest."""
some_runs = click.argument("run_ids", metavar="[ID]...", nargs=-1, shell_complete=complete_id)
env = click.option(
    "--env", multiple=True, metavar="NAME[=VALUE]", help="A variable for it, by default yours; repeatable."
)


def seconds(text: str) -> int:
    """Return the whole seconds of `90` or of a duration such as `1h30m`. Raises BadParameter."""
    found = durations.parse(f"{text}s" if text.isdecimal() else text)
    if found is None or found % 1 or not 1 <= found <= LONGEST:
        near = durations.meant(text)
        write = near if near and near != text else "90, 90s, 5m or 1h30m"
        raise click.BadParameter(f"{text[:40]!r} is no time from 1 second to 366 days; write {write}")
    return int(found)


def command(text: str) -> tuple[str, ...]:
    """Return the words of a command line, quoted as for a shell. Raises BadParameter."""
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise click.BadParameter(f"{text[:80]!r}: {str(error).lower()}") from None
    if not words:
        raise click.BadParameter("it names no program")
    return words


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
