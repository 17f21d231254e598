"""`praisonrun init`: an agents file of the agents that are on PATH."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ..agents import known, recipes
from ..agents.recipes.recipe import Recipe
from ..agents.schema import schema
from ..config.settings import absolute
from ..core.errors import WrongState
from .pipe import print_object
from .screen import Screen
from .text import BETWEEN

SCHEMA = "agents.schema.json"
_DEMO = """\
  hello:
    command: ["{python}", -m, praisonrun.demo]
    description: The demo agent, counts the words of the prompt
"""
_FILE = """\
# yaml-language-server: $schema={schema}
# What praisonrun can run here. `use` is a recipe, and any key of an entry changes it; without one an entry
# has a `command`: a list, never a shell line. The file is read again whenever it changes; `praisonrun check`
# says what is wrong and what is missing.

default: {default}

# Agents work where `praisonrun run` is called, and may change files there. With `approve: all` one may do
# everything that you may. They see the variables that their recipe or env_pass names, and few others.
defaults:
  cwd: caller
  timeout: 30m

agents:
{agents}"""


def init(file: Path, *, as_json: bool) -> int:
    """Write an agents file, and a schema for its editor; return 0. Raises WrongState if there is a file."""
    where = absolute(file)
    found = known.on_path(os.environ)
    default = found[0].name if found else "hello"
    try:
        _write(where, text(found, default))
    except FileExistsError:
        raise WrongState(
            f"{file} is there already and stays as it is; praisonrun check says what it has"
        ) from None
    beside = file.parent / SCHEMA
    new = not where.with_name(SCHEMA).exists()
    if new:
        _write(where.with_name(SCHEMA), json.dumps(schema(), indent=2) + "\n")
    names = [*(recipe.name for recipe in found), "hello"]
    if as_json:
        print_object({"file": str(file), "schema": str(beside), "agents": names, "default": default})
        return 0
    print(f"wrote {file}: {', '.join(names)} (default {default})")
    if new:
        print(f"wrote {beside}: editors check the file with it")
    if not found:
        easy = " or ".join(recipes.builtin(name).get for name in ("claude", "codex"))
        print(f"no coding agent is on your PATH yet; one comes with: {easy}", file=sys.stderr)
    Screen().hint(f'next: praisonrun check{BETWEEN}praisonrun run "What is in this directory?"')
    return 0


def text(found: Iterable[Recipe], default: str) -> str:
    """Return the text of an agents file with an entry for each of these recipes, and the demo's."""
    entries = [f"  {recipe.name}: {{use: {recipe.name}}}   # {recipe.description}\n" for recipe in found]
    return _FILE.format(schema=SCHEMA, default=default, agents="".join((*entries, _DEMO)))


def _write(path: Path, content: str) -> None:
    """Write a new file whole, or not at all. Raises FileExistsError, OSError."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
