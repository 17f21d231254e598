"""Files that a framework executes as a whole: how they are recognised, read, and kept for the runs.

A run keeps the version of a crew that it was submitted with, so the text is copied when it is submitted.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..config import private_file
from ..core.agent import Agent, Crew
from ..core.errors import ConfigError
from . import files, readers
from .nodes import Node

DEFAULT_FRAMEWORK = "praisonai"
DRIVER = Path(__file__).parent / "crew_driver.py"
"""The script that runs a crew under its framework's interpreter."""
SCRIPT_DRIVER = DRIVER.with_name("script_driver.py")
"""The one that runs an agent that a Python file makes."""
ROLE_KEYS = frozenset({"role", "goal", "backstory", "tasks", "instructions"})
ENTRY_KEYS = frozenset({"command", "use", "mode"})


@dataclass(frozen=True, slots=True)
class Shared:
    """Values of a file's top level, for every entry."""

    file: str = ""
    """Absolute path."""
    python: str | None = None
    """The interpreter that has the crews' framework, if the file names one."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_pass: tuple[str, ...] = ()
    env_required: tuple[str, ...] = ()


def is_crew(root: Node) -> bool:
    """Return whether a file describes a crew: `roles`, or `agents` with roles, goals and tasks."""
    pairs = root.pairs or {}
    if "roles" in pairs:
        return True
    agents = pairs.get("agents")
    members = [] if agents is None else [*(agents.pairs or {}).values(), *(agents.items or [])]
    keys = [set(member.pairs) for member in members if member.pairs is not None]
    return any(found & ROLE_KEYS for found in keys) and not any(found & ENTRY_KEYS for found in keys)


def read(root: Node, text: str, file: Path) -> Agent:
    """Return the one agent of a crew file. Keys of the framework's own are not checked.

    The framework is empty if the file names none; see `bound`.
    """
    pairs = root.pairs or {}
    framework = readers.text(pairs["framework"], "framework") if "framework" in pairs else ""
    topic = pairs.get("input", pairs.get("topic"))
    crew = Crew(
        framework=framework.strip().lower(),
        source_sha256=digest(text),
        topic=topic.text if topic is not None and topic.tag else None,
        python=interpreter(root, file),
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._")[:100] or "crew"
    return Agent(name=name, file=str(file), crew=crew, cwd=str(file.parent))


def bound(agent: Agent, framework: str | None, shared: Shared) -> Agent:
    """Return a crew's agent with what its file left open; any other agent unchanged.

    The file's own words win: the clients of the jobs dialect always send a framework.
    """
    if agent.crew is None:
        return agent
    chosen = agent.crew.framework or (framework or DEFAULT_FRAMEWORK).strip().lower()
    return replace(
        agent,
        crew=replace(agent.crew, framework=chosen, python=agent.crew.python or shared.python),
        env=shared.env,
        env_pass=shared.env_pass,
        env_required=shared.env_required,
    )


def interpreter(root: Node, file: Path) -> str | None:
    """Return the absolute path, or the bare command to be found on PATH, that `python:` names; else None."""
    node = (root.pairs or {}).get("python")
    return None if node is None else named_interpreter(node, file.parent)


def named_interpreter(node: Node, folder: Path) -> str:
    """Return the absolute path, or the bare command, that a value names. Raises ConfigError."""
    named = readers.text(node, "python")
    if not named:
        raise node.fault("`python` must name an interpreter, such as ~/.venvs/crew/bin/python")
    if "/" not in named and not named.startswith("~"):
        return named
    return os.path.normpath(folder / Path(named).expanduser())


def copy(agent: Agent, directory: Path, known: Mapping[str, str]) -> Path:
    """Write the text of an agent's crew to its `copy_path` once, with mode 0600, and return the path.

    `known` are texts by digest. Raises ConfigError when the text is gone, OSError when it cannot be written.
    """
    path = copy_path(agent, directory)
    try:
        os.utime(path)  # a copy that was not used for long is removed
    except FileNotFoundError:
        text = known.get(path.stem) or files.read(Path(agent.file), Path(agent.file).name)
        if digest(text) != path.stem:
            raise ConfigError(f"crew {agent.name}: the submitted version is gone; submit it again") from None
        _write(path, text)
    return path


def copy_path(agent: Agent, directory: Path) -> Path:
    """Return where a directory keeps the copy of a crew's text: `<sha256>.yaml`."""
    assert agent.crew is not None
    return directory / f"{agent.crew.source_sha256}.yaml"


def driver_copy(directory: Path, driver: Path = DRIVER) -> Path:
    """Copy a driver to a directory once, and return the path: others cannot read our package."""
    text = driver.read_text("utf-8")
    path = directory / f"driver-{digest(text)[:16]}.py"
    if not path.exists():
        _write(path, text)
    return path


def digest(text: str) -> str:
    """Return the SHA-256 of a text: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private_file.write(path, text.encode())
