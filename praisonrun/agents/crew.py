"""Files that a framework executes as a whole: how they are recognised and read."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

from ..core.model import Agent, Crew
from . import reading
from .entry import Shared
from .yamltext import Node

DEFAULT_FRAMEWORK = "praisonai"
_ROLE_KEYS = frozenset({"role", "goal", "backstory", "tasks", "instructions"})
_ENTRY_KEYS = frozenset({"command", "use", "mode"})


def is_crew(root: Node) -> bool:
    """Return whether a file describes a crew: `roles`, or `agents` with roles, goals and tasks."""
    pairs = root.pairs or {}
    if "roles" in pairs:
        return True
    agents = pairs.get("agents")
    members = [] if agents is None else [*(agents.pairs or {}).values(), *(agents.items or [])]
    keys = [set(member.pairs) for member in members if member.pairs is not None]
    return any(found & _ROLE_KEYS for found in keys) and not any(found & _ENTRY_KEYS for found in keys)


def read(root: Node, text: str, file: Path) -> Agent:
    """Return the one agent of a crew file; what the framework alone understands is not looked at.

    Its framework is empty where the file names none; see `bound`.
    """
    pairs = root.pairs or {}
    named = reading.text(pairs["framework"], "framework") if "framework" in pairs else None
    python = interpreter(pairs["python"], file) if "python" in pairs else None
    topic = pairs.get("input", pairs.get("topic"))
    crew = Crew(
        framework=(named or "").strip().lower(),
        source_sha256=hashlib.sha256(text.encode()).hexdigest(),
        topic=topic.scalar.text if topic is not None and topic.scalar is not None else None,
        python=python,
    )
    return Agent(name=name_of(file), file=str(file), crew=crew, cwd=str(file.parent))


def bound(agent: Agent, framework: str | None, python: str | None, shared: Shared) -> Agent:
    """Return a crew's agent with what its file left open; any other agent as it is.

    The file's own words win: the clients of the jobs dialect always send a framework.
    """
    if agent.crew is None:
        return agent
    chosen = agent.crew.framework or (framework or DEFAULT_FRAMEWORK).strip().lower()
    return replace(
        agent,
        crew=replace(agent.crew, framework=chosen, python=agent.crew.python or python),
        env=shared.env,
        env_pass=shared.env_pass,
        env_required=shared.env_required,
    )


def name_of(file: Path) -> str:
    """Return an agent's name made of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._")[:100] or "crew"


def interpreter(node: Node, file: Path) -> str:
    """Return the absolute path that `python:` names; a bare command is left for PATH."""
    named = reading.text(node, "python")
    if not named:
        raise node.fault("`python` must name an interpreter, such as ~/.venvs/crew/bin/python")
    if "/" not in named and not named.startswith("~"):
        return named
    return os.path.normpath(file.parent / Path(named).expanduser())
