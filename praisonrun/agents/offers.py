"""Agents as they are offered: what each is, and what keeps it from being started on this machine now."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.agent import Agent
from ..core.errors import Invalid
from ..core.model import Json
from . import known, launch, recipes
from .catalog import Catalog


def offered(agents: Iterable[Agent], default: str, environ: Mapping[str, str]) -> list[dict[str, Json]]:
    """Return some agents as the API shows them. It looks for their programs: half a millisecond each."""
    return [{**_shown(agent, environ), "default": agent.name == default} for agent in agents]


def of_file(file: Path | None, environ: Mapping[str, str]) -> dict[str, Json]:
    """Return what a server of this file would offer, in the form of its answer. Raises ConfigError."""
    environ = launch.user_environ(environ)
    catalog = Catalog(file, [file.parent if file else Path()], environ)
    default = catalog.default.name
    return {"agents": offered(catalog.all(), default, environ), "default": default, "problem": None}


def recipes_of(folder: Path, environ: Mapping[str, str]) -> list[dict[str, Json]]:
    """Return the recipes that an agents file in a folder can use. Raises ConfigError for a broken one."""
    environ = launch.user_environ(environ)
    return [
        {
            "name": recipe.name,
            "description": recipe.description,
            "program": None if recipe.scripted else recipe.program,
            "path": None if recipe.scripted else shutil.which(recipe.program, path=environ["PATH"]),
            "script": recipe.scripted,
            "install": recipe.get or None,
            "tested": recipe.tested or None,
            "approve": sorted(recipe.approve, reverse=True),
            "memory_mb": recipe.memory or None,
        }
        for recipe in recipes.offered(folder)
    ]


def problem(agent: Agent, environ: Mapping[str, str]) -> str | None:
    """Return why an agent's program cannot be started now, and what to do; None if it can."""
    try:
        return launch.no_start(agent, environ)
    except Invalid as error:
        return error.message


def _shown(agent: Agent, environ: Mapping[str, str]) -> dict[str, Json]:
    why = problem(agent, environ)
    return {
        "name": agent.name,
        "mode": agent.mode,
        "kind": "crew" if agent.crew else "command",
        "use": agent.use or None,
        "description": agent.description,
        "cwd": "caller" if agent.caller else agent.cwd,
        "timeout": agent.timeout,
        "concurrency": agent.concurrency,
        "format": agent.format,
        "env_required": list(agent.env_required),
        "env_missing": launch.missing_env(agent, environ, {}),
        "problem": why,
        "install": known.install(agent) if why else None,
    }
