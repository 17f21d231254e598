"""A whole file becomes agents: entries under `agents:`, or one crew that a framework executes.

A file that a submit contains is read like any other; its agents run in the first root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ..core.agent import Agent
from ..core.errors import ConfigError, FaultPlace, Invalid
from . import crew, entry, files, hints, readers, reading, recipes
from .faults import Faults
from .keys import DEFAULTS, READERS
from .nodes import Node
from .yamltext import parse

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KEPT = 64
"""Documents, and texts of crews, that are remembered between submits."""
_USE = "use"
"""Stands in each file that uses a recipe."""
INLINE = "agent_yaml"
NOWHERE = f"/dev/null/{INLINE}"
"""Stands for the file of an inline agent. No file can lie there, so its entry is never read again."""
_EXAMPLE = "agents: {claude: {use: claude}}"
SHARED = ("env", "env_pass", "env_required")
TOP = ("default", "defaults", "agents", "python", *SHARED)


@dataclass(frozen=True, slots=True)
class Document:
    """The agents of one file, and its top level."""

    agents: Mapping[str, Agent]
    default: str
    text: str
    shared: crew.Shared = field(default_factory=crew.Shared)
    """Values of the file's top level for its entries, and for crews, whose own files cannot have them."""


def read(text: str, file: Path, shown: str) -> Document:
    """Return the agents in the text of `file` (an absolute path, named `shown` in errors).

    Raises ConfigError with `shown:line:column`.
    """
    return kept(text, file, shown, used_state(text, file))


def used_state(text: str, file: Path) -> recipes.State:
    """Return what changes when a recipe beside a file does that its text may use."""
    return recipes.state(file.parent) if _USE in text else ()


@lru_cache(KEPT)
def kept(text: str, file: Path, shown: str, state: recipes.State) -> Document:  # noqa: ARG001
    """Do as `read`. What was read is remembered for a `state` of the recipes beside the file."""
    faults = Faults()
    root = parse(text, shown, faults)
    if root is None or root.pairs is None:
        place = root or Node(shown, 1, 1)
        faults.add(place.fault(f"an agents file is a mapping with `agents:`, such as {_EXAMPLE}"))
        raise faults.joined()
    if crew.is_crew(root):
        faults.check()
        agent = crew.read(root, text, file)
        shared = crew.Shared(python=crew.interpreter(root, file))
        return Document({agent.name: agent}, agent.name, text, shared)
    return _entries(root, text, file, faults)


def read_inline(text: str, root: Path) -> Document:
    """Return the agents of a file that a submit contains. Raises Invalid with `agent_yaml:line:column`.

    Literal env values are rejected: a run needs them when it starts, and they are never stored.
    """
    return kept_inline(text, root, used_state(text, root / INLINE))


@lru_cache(KEPT)  # one object for each text: the store knows agents by object
def kept_inline(text: str, root: Path, state: recipes.State) -> Document:
    """Do as `read_inline`. What was read is remembered for a `state` of the recipes in `root`."""
    try:
        if len(text.encode("utf-8", "replace")) > files.MAX_BYTES:
            raise ConfigError(f"larger than {files.MAX_BYTES // 1024} KiB", place=FaultPlace(INLINE))
        # Nothing remembers a text before it is known to hold no values.
        found: Document = kept.__wrapped__(text, root / INLINE, INLINE, state)
        own = [agent.env.items() - recipes.env_of(agent, root).items() for agent in found.agents.values()]
        if found.shared.env or any(own):
            raise ConfigError(
                "`env` must be sent as the submit's `envs`, which are never stored", place=FaultPlace(INLINE)
            )
    except ConfigError as error:
        raise Invalid(error.message, field=INLINE) from None
    agents = {name: replace(agent, file=NOWHERE) for name, agent in found.agents.items()}
    return replace(found, agents=agents)


def builtin(folder: str) -> Document:
    """Return the agents of a server without an agents file: `hello`, which runs in `folder`."""
    hello = Agent(
        name="hello",
        file="",
        command=("{python}", "-m", "praisonrun.demo"),
        cwd=os.path.abspath(folder) if folder else "",  # noqa: PTH100
        timeout=60.0,
        description="The built-in demo: counts the words of the prompt and shows progress",
    )
    return Document({hello.name: hello}, hello.name, "")


def _entries(root: Node, text: str, file: Path, faults: Faults) -> Document:
    with faults.kept():
        entry.refuse_reserved(root)
    with faults.kept():
        reading.unknown_keys(root, TOP, "the file")
    pairs, env, python = reading.mapping(root, "the file"), {}, None
    for key in [key for key in SHARED if key in pairs]:
        with faults.kept():
            env[key] = READERS[key](pairs[key], key)
    with faults.kept():
        python = crew.interpreter(root, file)
    with faults.kept():
        if "defaults" in pairs:
            reading.values(pairs["defaults"], DEFAULTS, "`defaults`", "defaults.")
    shared = crew.Shared(str(file), python, **env)
    agents: dict[str, Agent] = {}
    default = ""
    with faults.kept():
        names = _names(root, pairs.get("agents"))
        for name, node in names.items():
            with faults.kept():
                agents[name] = _agent(name, node, pairs, shared)
        default = _default(pairs["default"], names) if "default" in pairs else next(iter(names))
    faults.check()
    return Document(agents, default, text, shared)


def _names(root: Node, node: Node | None) -> dict[str, Node]:
    """Return the entries of a file by their names. Raises ConfigError for none."""
    if node is None:
        raise root.fault(f"no `agents:` in the file; write {_EXAMPLE}")
    found = reading.mapping(node, "agents")
    if not found:
        raise node.fault(f"`agents` is empty; write {_EXAMPLE}")
    return found


def _agent(name: str, node: Node, pairs: Mapping[str, Node], shared: crew.Shared) -> Agent:
    faults, key = Faults(), pairs["agents"].keys[name]
    if not NAME.fullmatch(name):
        faults.add(key.fault(f"{name[:80]!r}: {hints.name(name)}"))
    with faults.kept():
        agent = entry.read(name[:80], node, shared, pairs.get("defaults"))
    faults.check()
    return replace(agent, line=key.line)


def _default(node: Node, agents: Mapping[str, Node]) -> str:
    name = readers.text(node, "default")
    if name not in agents:
        near = reading.did_you_mean(name, agents) or f"; there are {', '.join(agents)}"
        raise node.fault(f"`default` names no agent of this file: {name!r}{near}")
    return name
