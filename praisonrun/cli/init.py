"""`praisonrun init`: an agents file of the agents that are on PATH."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from ..agents import known
from ..agents.schema import schema
from ..config.settings import absolute
from ..core.errors import WrongState
from .pipe import print_object

SCHEMA = "agents.schema.json"
DEMO = """\
command: ["{python}", -m, praisonrun.demo]
description: The demo agent, counts the words of the prompt
"""
_FILE = """\
# yaml-language-server: $schema={schema}
# What praisonrun can run here. Each entry is a command: a list, never a shell line.
# It is read again whenever it changes; `praisonrun check` says what is wrong and what is missing.

default: {default}

# Agents work where `praisonrun run` is called. They may change files there; what else they may do unasked
# their own options say. They see the variables that env and env_pass name, and few others.
defaults:
  cwd: caller
  timeout: 30m
  env: {{NO_COLOR: "1", TERM: dumb}}

agents:
{agents}"""


def init(file: Path, *, as_json: bool) -> int:
    """Write an agents file, and a schema for its editor; return 0. Raises WrongState if there is a file."""
    where = absolute(file)
    found = known.on_path(os.environ)
    default = next(iter(found), "hello")
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
    names = [*found, "hello"]
    if as_json:
        print_object({"file": str(file), "schema": str(beside), "agents": names, "default": default})
        return 0
    print(f"wrote {file}: {', '.join(names)} (default {default})")
    if new:
        print(f"wrote {beside}: editors check the file with it")
    if not found:
        easy = " or ".join(known.KNOWN[name].install for name in ("claude", "codex"))
        print(f"no coding agent is on your PATH yet; one comes with: {easy}", file=sys.stderr)
    print('next: praisonrun check · praisonrun run "What is in this directory?"', file=sys.stderr)
    return 0


def text(entries: Mapping[str, str], default: str) -> str:
    """Return the text of an agents file with these entries, and the demo's."""
    listed = [
        f"  {name}:\n{textwrap.indent(entry, '    ')}" for name, entry in [*entries.items(), ("hello", DEMO)]
    ]
    return _FILE.format(schema=SCHEMA, default=default, agents="\n".join(listed))


def _write(path: Path, content: str) -> None:
    """Write a new file whole, or not at all. Raises FileExistsError, OSError."""
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
