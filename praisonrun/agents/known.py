"""Which agents this machine has, and how what an agent needs is installed, where we know."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from ..core.agent import Agent
from . import frameworks, recipes
from .recipes.recipe import Recipe
from .using import EDITS

_FIRST = ("claude", "codex", "gemini", "opencode", "copilot", "qwen")
"""The agents that most people mean, when there are several."""


def install(agent: Agent) -> str | None:
    """Return the shell line that installs an agent's program, or a crew's framework."""
    if agent.crew is not None:
        framework = frameworks.FRAMEWORKS.get(agent.crew.framework)
        return framework and framework.install
    recipe = recipes.of(agent) or recipes.of_program(agent.command[0])
    return (recipe and recipe.get) or None


def on_path(environ: Mapping[str, str]) -> list[Recipe]:
    """Return the recipes whose programs are on PATH and that an entry can use with nothing else said."""
    path = environ.get("PATH") or os.defpath
    names = (*_FIRST, *(name for name in recipes.names() if name not in _FIRST))
    return [
        recipe
        for recipe in map(recipes.builtin, names)
        if not recipe.scripted
        and (EDITS in recipe.approve or not recipe.approve)
        and shutil.which(recipe.program, path=path)
    ]
