"""One recipe: its keys, and how the value of each is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.agent import Truth
from .. import environment, reading
from ..faults import Faults
from ..keys import OF_RECIPES, OF_SERVICES, READERS
from ..nodes import Node
from ..readers import one_of, pattern, text, texts, whole
from ..reading import Read
from ..yamltext import parse

ADDED = ("env_pass", "env_required")
"""Lists to which an entry adds."""
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


_APPROVAL: Mapping[str, Read[Any]] = {"args": texts(text), "env": environment.values}


def _approval(node: Node, key: str) -> Approval:
    return Approval(**reading.values(node, _APPROVAL, f"`{key}`", f"{key}."))


_APPROVALS: Mapping[str, Read[Approval]] = {"edits": _approval, "ask": _approval, "all": _approval}


def _approvals(node: Node, key: str) -> dict[str, Approval]:
    return reading.values(node, _APPROVALS, f"`{key}`", f"{key}.")


def _needs(node: Node, key: str) -> dict[str, str]:
    return {names: text(why, key) for names, why in reading.mapping(node, key).items()}


_OWN: Mapping[str, Read[Any]] = {
    "get": text,
    "tested": text,
    "memory": whole(1, 1_000_000),
    "approve": _approvals,
    "needs": _needs,
    "modules": texts(text),
    "providers": one_of("all"),
    "answer": one_of("required"),
    "banner": pattern,
    "failure": pattern,
    "waiting": texts(text),
}
"""The keys that only a recipe has."""
_SHARED = {key: reader for key, reader in READERS.items() if key not in _NOT_HERE}


def read(name: str, content: str, shown: str) -> Recipe:
    """Return the recipe in the text of a file, which is `shown` in errors. Raises ConfigError: all faults."""
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
    base = parse(_BASE % ", ".join((*environment.NETWORK, *providers)), "recipes")
    assert base is not None
    return base
