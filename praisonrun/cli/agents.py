"""`praisonrun agents`: what can be run, and what is missing for it; the recipes that an entry can use."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.discovery import Named
from ..config.settings import default_agents
from . import local
from .client import Client
from .pipe import print_object
from .table import show

HEAD = ("NAME", "MODE", "STATUS", "WHAT")
RECIPES = ("USE", "STATUS", "TESTED", "WHAT")


def agents(named: Named, *, as_json: bool) -> int:
    """Print a line for each agent of the server, or of the file here where none runs; return 0."""
    found = local.find(named, local.settings_of(named))
    if found is not None:
        with Client(found, tries=3) as client:
            offer = client.agents()
    else:
        from ..agents import offers  # it brings YAML, which a server's answer does without

        offer = offers.of_file(default_agents(), os.environ)
    if as_json:
        print_object(offer)
        return 0
    show(HEAD, [row(agent) for agent in offer["agents"]], spare=("MODE",))
    for note in notes(offer, running=found is not None):
        print(note, file=sys.stderr)
    return 0


def recipes(*, as_json: bool) -> int:
    """Print a line for each recipe that `use:` takes here; return 0."""
    from ..agents import offers

    file = default_agents()
    found = offers.recipes_of(file.parent if file else Path.cwd(), os.environ)
    if as_json:
        print_object({"recipes": found})
    else:
        show(RECIPES, [recipe_row(one) for one in found], spare=("TESTED",))
    return 0


def recipe_row(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a recipe: how its program is installed where it is not."""
    what = recipe["description"] if recipe["path"] else recipe["install"] or recipe["description"]
    only = " (needs approve: all)" * (recipe["approve"] == ["all"])
    status = "your script" if recipe["script"] else "installed" if recipe["path"] else "not installed"
    return recipe["name"], status, recipe["tested"] or "", what + only


def row(agent: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of an agent."""
    status, what = "ready", agent["description"]
    if agent["env_missing"]:
        status, what = "needs env", f"set {', '.join(agent['env_missing'])}, or send it with run --env"
    if agent["problem"]:
        status, what = "cannot start", agent["install"] or agent["problem"]
    return agent["name"] + " (default)" * agent["default"], agent["mode"], status, what


def notes(offer: Mapping[str, Any], *, running: bool) -> list[str]:
    """Return what a person should know besides."""
    found = [] if running else ["no server runs; one that starts here offers these"]
    return [*found, *([f"{offer['problem']}; the last good version is in use"] if offer["problem"] else [])]
