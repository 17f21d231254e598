"""`praisonrun completion`: shells complete commands, options, agents and the ends of runs' ids."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import fields
from io import StringIO
from itertools import islice
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from ..config.discovery import Named
from ..core.errors import PraisonrunError
from .client import Client
from .ids import short
from .local import target
from .pipe import print_object
from .program import program
from .screen import Screen
from .text import one_line

VARIABLE = "_PRAISONRUN_COMPLETE"
"""What a shell sets to ask for completions; click's name for it."""
PLACES = {
    "bash": "~/.local/share/bash-completion/completions/praisonrun",
    "zsh": '"${fpath[1]}/_praisonrun"',
    "fish": "~/.config/fish/completions/praisonrun.fish",
}
SECONDS = 2
"""After so long a shell gets nothing: somebody waits for the key that they pressed."""
NEWEST = 30


def print_completion(shell: str, *, as_json: bool) -> int:
    """Print what a shell needs; to a person also where it belongs."""
    found = get_completion_class(shell)
    assert found is not None
    text = found(program, {}, "praisonrun", VARIABLE).source()
    if as_json:
        print_object({"shell": shell, "file": PLACES[shell], "text": text})
        return 0
    print(text)
    if sys.stdout.isatty():
        Screen().hint(f"next: praisonrun completion {shell} > {PLACES[shell]}")
    return 0


def ends_of_ids(context: click.Context, begun: str) -> list[CompletionItem]:
    """Return the ends of the newest runs' ids, as lists show them."""

    def ask(client: Client) -> Iterator[tuple[str, str]]:
        for run in islice(client.runs({}, NEWEST), NEWEST):
            yield short(run["job_id"]), f"{run['status']} {run['agent']}: {run['title']}"

    return _asked(context, ask, begun)


def names_of_agents(context: click.Context, begun: str) -> list[CompletionItem]:
    """Return the names of the agents that the server offers."""
    return _asked(context, lambda client: _described(client.agents()), begun)


def _described(offer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((agent["name"], agent["description"]) for agent in offer["agents"])


def _asked(
    context: click.Context, ask: Callable[[Client], Iterable[tuple[str, str]]], begun: str
) -> list[CompletionItem]:
    """Return words that a server knows, with what they mean; nothing where it does not answer in time."""
    named = Named(**{each.name: context.params.get(each.name) for each in fields(Named)})
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    try:
        with redirect_stderr(StringIO()), Client(target(named), tries=0) as client:
            known = [(word, one_line(told)) for word, told in ask(client) if word.startswith(begun)]
        return [CompletionItem(word, help=told or None) for word, told in known]
    except (PraisonrunError, TimeoutError):
        return []
    finally:
        signal.alarm(0)


def _late(*_: object) -> None:
    raise TimeoutError
