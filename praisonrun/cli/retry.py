"""`praisonrun retry`: a finished run once more, as a new one."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from ..config.discovery import Named
from ..core.errors import Invalid
from ..core.json import Json
from .client import RUNS, Client
from .ids import find
from .local import target
from .outcome import INTERRUPTED
from .run import envs_for, followed, offered
from .screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which run, what is different, and what is printed."""

    run_id: str
    edit: bool
    env: tuple[str, ...]
    detach: bool
    as_json: bool


def retry(named: Named, wanted: Wanted) -> int:
    """Submit a run once more and follow it; return the exit code (see `outcome.exit_code`)."""
    screen = Screen(quiet=wanted.as_json)
    try:
        with Client(target(named), tell=screen.note) as client:
            origin = find(client, wanted.run_id)
            # What is here is of no use to another machine.
            agent = {} if named.url else offered(client, origin["agent"])
            body: dict[str, Json] = {"envs": dict(envs_for(agent, wanted.env))}
            if wanted.edit:
                body["prompt"] = _edited(origin["prompt"])
            job = _again(client, origin["job_id"], body)
            return followed(client, job, screen, detach=wanted.detach, as_json=wanted.as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        screen.close()


def _again(client: Client, run_id: str, body: Mapping[str, Json]) -> dict[str, Any]:
    try:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        return client.call("POST", f"{RUNS}/{run_id}/retry", json=dict(body), headers=key)
    except Invalid as error:
        advice = ", with --env NAME or NAME=VALUE" if error.field == "envs" else ""
        raise Invalid(error.message + advice) from error


def _edited(prompt: str) -> str:
    """Return a prompt as the user's editor leaves it. Raises Invalid for one that was not saved."""
    if not sys.stdin.isatty():
        raise Invalid("--edit needs a terminal; to submit another prompt: praisonrun run")
    try:
        text = click.edit(prompt, extension=".md")
    except click.ClickException as error:
        raise Invalid(f"--edit: {error.format_message()}; name your editor in EDITOR") from None
    if text is None:
        raise Invalid("the prompt was not saved, so nothing was submitted")
    return text if prompt.endswith("\n") else text.removesuffix("\n")
