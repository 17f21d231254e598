"""Recipes: how an agent that exists is run, a file each, in the keys of an entry and some more.

`use: NAME` fills an entry from one. A user's own is recipes/NAME.yaml beside the agents file, and wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from ...core.agent import Agent, Truth
from ...core.errors import ConfigError
from .. import environment, files, reading
from ..faults import Faults
from ..keys import OF_RECIPES, OF_SERVICES, READERS
from ..nodes import Node
from ..readers import Reader, one_of, reads, text, texts, whole
from ..yamltext import parse

FOLDER = "recipes"
"""Where a user's own recipes are, beside the agents file."""
ADDED = ("env_pass", "env_required")
"""Lists to which an entry adds."""
State: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""What changes when a recipe in a folder does."""
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_BASE = "{env: {NO_COLOR: '1', TERM: dumb}, env_pass: [%s], idle_timeout: 15m}"
"""What holds for each recipe that does not say otherwise."""
_NOT_HERE = ("mode", "cwd", "priority", "use", *OF_RECIPES, *OF_SERVICES)
"""Keys of an entry that a recipe leaves to it, or has its own meaning for."""


@dataclass(frozen=True, slots=True)
class Approval:
    """How an agent is told what it may do unasked."""

    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One agent that exists."""

    name: str
    node: Node
    """Its keys of an entry."""
    command: tuple[str, ...]
    description: str = ""
    get: str = ""
    """A shell line that installs it."""
    tested: str = ""
    """The version that was tried."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Variables and files, one of `a|b`, and what to do where there is none."""
    approve: Mapping[str, Approval] = field(default_factory=dict)
    """By the word that the entry has; empty for an agent that touches nothing."""
    memory: int = 0
    """MB that a run takes."""
    modules: tuple[str, ...] = ()
    """What the interpreter of a script must be able to import."""
    truth: Truth = field(default_factory=Truth)

    @property
    def scripted(self) -> bool:
        """Whether it runs a Python file of the user's."""
        return "{script}" in self.command

    @property
    def program(self) -> str:
        return self.command[0]

    @property
    def env(self) -> dict[str, str]:
        """Its literal values, but for those of an approval."""
        found = (self.node.pairs or {}).get("env")
        return {} if found is None else environment.values(found, "env")


@reads({"type": "string"})
def _pattern(node: Node, key: str) -> str:
    try:
        return re.compile(text(node, key)).pattern
    except re.error as error:
        raise node.fault(f"`{key}` is no pattern: {error}") from None


_APPROVAL: Mapping[str, Reader[Any]] = {"args": texts(text), "env": environment.values}


def _approvals(node: Node, key: str) -> dict[str, Approval]:
    words = {word: one for word, one in reading.mapping(node, key).items() if word in ("edits", "all")}
    reading.unknown_keys(node, ("edits", "all"), f"`{key}`")
    return {
        word: Approval(**reading.values(one, _APPROVAL, f"`{key}.{word}`", f"{key}.{word}."))
        for word, one in words.items()
    }


def _needs(node: Node, key: str) -> dict[str, str]:
    return {names: text(why, key) for names, why in reading.mapping(node, key).items()}


_OWN: Mapping[str, Reader[Any]] = {
    "get": text,
    "tested": text,
    "memory": whole(1, 1_000_000),
    "approve": Reader(_approvals, {}),
    "needs": Reader(_needs, {}),
    "modules": texts(text),
    "providers": one_of("all"),
    "answer": one_of("required"),
    "banner": _pattern,
    "failure": _pattern,
    "waiting": texts(text),
}
"""The keys that only a recipe has."""
_SHARED = {key: reader for key, reader in READERS.items() if key not in _NOT_HERE}


@lru_cache(1)
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
        return _read(name, files.read(own, shown), shown)
    return builtin(name) if name in names() else None


def of(agent: Agent, folder: Path | None = None) -> Recipe | None:
    """Return the recipe that an agent uses, found from `folder` or its file; None if none can be read now."""
    with suppress(ConfigError):  # the last good version of its entry stays in use
        return find(agent.use, folder or Path(agent.file).parent)
    return None


@lru_cache(64)
def builtin(name: str) -> Recipe:
    """Return a built-in recipe."""
    return _read(name, _texts()[name], f"{FOLDER}/{name}.yaml")


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


def _read(name: str, content: str, shown: str) -> Recipe:
    faults = Faults()
    root = parse(content, shown, faults)
    if root is None or root.pairs is None:
        faults.add((root or Node(shown, 1, 1)).fault("a recipe is a mapping with `command:`"))
        raise faults.joined()
    values = reading.readable(root, {**_SHARED, **_OWN}, "the recipe", faults)
    if "command" not in root.pairs:
        faults.add(root.fault("the recipe has no `command`; write command: [program, argument]"))
    faults.check()
    own = {key: values.pop(key) for key in _OWN if key in values}
    own["truth"] = Truth(
        answer=own.pop("answer", "") == "required",
        banner=own.pop("banner", ""),
        failure=own.pop("failure", ""),
        waiting=own.pop("waiting", ()),
    )
    base = _base(environment.PROVIDERS if own.pop("providers", "") else ())
    node = root.without(_OWN).over(base, joined=ADDED)
    return Recipe(name, node, values["command"], description=values.get("description", ""), **own)


def _base(providers: tuple[str, ...]) -> Node:
    base = parse(_BASE % ", ".join((*environment.NETWORK, *providers)), FOLDER)
    assert base is not None
    return base
