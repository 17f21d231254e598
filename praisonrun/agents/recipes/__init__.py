"""Recipes: how an agent that exists is run, a file each, in the keys of an entry and some more.

`use: NAME` fills an entry from one. A user's own is recipes/NAME.yaml beside the agents file, and wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from ...core.agent import Agent
from ...core.errors import ConfigError
from .. import files
from .recipe import Approval, Recipe, read

FOLDER = "recipes"
"""Where a user's own recipes are, beside the agents file."""
State: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""What changes when a recipe in a folder does."""
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def names() -> tuple[str, ...]:
    """Return the names of the built-in recipes."""
    return tuple(sorted(_texts()))


@lru_cache(1)
def _texts() -> Mapping[str, str]:
    """Return the built-in recipes, read once: an upgrade may remove their files under a live server."""
    return {path.stem: path.read_text("utf-8") for path in _HERE.glob("*.yaml")}


def state(folder: Path) -> State:
    """Return the state of the user's recipes beside an agents file."""
    try:
        with os.scandir(folder / FOLDER) as found:
            stats = sorted((one.name, one.stat()) for one in found if one.name.endswith(".yaml"))
    except OSError:
        return ()
    return tuple((name, at.st_mtime_ns, at.st_size, at.st_ino) for name, at in stats)


def find(name: str, folder: Path) -> Recipe | None:
    """Return a recipe: the user's beside an agents file in `folder`, or a built-in one.

    Raises ConfigError for one that cannot be used.
    """
    if not _NAME.fullmatch(name):
        return None
    own = folder / FOLDER / f"{name}.yaml"
    if os.path.lexists(own):
        shown = f"{FOLDER}/{name}.yaml"
        return read(name, files.read(own, shown), shown)
    return builtin(name) if name in _texts() else None


def of(agent: Agent, folder: Path | None = None) -> Recipe | None:
    """Return the recipe that an agent uses, found from `folder` or its file; None if none can be read now."""
    with suppress(ConfigError):  # the last good version of its entry stays in use
        return find(agent.use, folder or Path(agent.file).parent)
    return None


@lru_cache(64)
def builtin(name: str) -> Recipe:
    """Return a built-in recipe."""
    return read(name, _texts()[name], f"{FOLDER}/{name}.yaml")


def offered(folder: Path) -> list[Recipe]:
    """Return all recipes that an agents file in a folder can use, by name. Raises what `find` raises."""
    own = {name.removesuffix(".yaml") for name, *_ in state(folder)}
    found = (find(name, folder) for name in sorted({*names(), *own}))
    return [recipe for recipe in found if recipe is not None]


def env_of(agent: Agent, folder: Path) -> dict[str, str]:
    """Return the literal values that an agent has from its recipe, found from `folder`."""
    recipe = of(agent, folder)
    if recipe is None:
        return {}
    return {**recipe.env, **recipe.approve.get(agent.approve, Approval()).env}


def of_program(program: str) -> Recipe | None:
    """Return the built-in recipe that runs a program."""
    return _by_program().get(program)


@lru_cache(1)
def _by_program() -> Mapping[str, Recipe]:
    found = map(builtin, reversed(names()))
    return {recipe.program: recipe for recipe in found if not recipe.scripted}
