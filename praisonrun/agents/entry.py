"""From an entry of agents.yaml to an Agent: what defaults add, and what a file shares."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.agent import Agent, Truth
from ..core.model import Mode
from . import hints, reading, rules, using
from .crew import Shared
from .faults import Faults
from .keys import DEFAULTS, OF_RECIPES, READERS
from .nodes import Node
from .placeholders import prefixes

CALLER = "caller"
"""The value of `cwd` that leaves the directory to each submit."""
_NEVER: Mapping[str, str] = {
    "cancel_signal": "remove it: an agent is asked to end with SIGTERM",
    "launcher": "remove it",
    "launchers": "remove it",
    "sandbox": "remove it",
}
"""Keys of a later version, and what to do until then."""
_OF_RUNS = ("timeout", "idle_timeout", "worktree")
"""Defaults that are not meant for services, which are not expected to end."""


def read(name: str, node: Node, shared: Shared, defaults: Node | None = None) -> Agent:
    """Return the agent that an entry describes, with what `defaults` adds. Raises ConfigError: all faults."""
    if node.pairs is None:
        odd = hints.odd(node.text)
        why = f"agent `{name}` must be a mapping such as {{command: [program]}}, not {node.kind}"
        raise node.fault(f"{why}; {odd}" if odd else why)
    faults, own, recipe = Faults(), node.pairs, _Used()
    node = _completed(node, defaults)
    with faults.kept():
        refuse_reserved(node)
    used, node = node, node.without(("use", *OF_RECIPES))
    with faults.kept():
        node, recipe = _filled(used, shared)
    values = reading.readable(node, READERS, f"agent `{name}`", faults)
    meant = [key for key in own if key not in READERS and reading.did_you_mean(key, ("command", "use"))]
    if not meant and not {"command", "use"} & own.keys():
        todo = "write use: claude or another recipe, or command: [program, argument]"
        faults.add(node.fault(f"agent `{name}` has neither `use` nor `command`; {todo}"))
    service = values.get("mode") is Mode.SERVICE
    with faults.kept():
        if "mode" in values or "mode" not in own:
            rules.check(node, values, is_service=service)
    faults.check()
    if service:
        values = rules.service(node, values)
    values.setdefault("prompt", "arg" if prefixes(values["command"], "prompt") else "stdin")
    values |= {**recipe._asdict(), **_inherited(values, shared)}
    return Agent(**{**values, "name": name, "file": shared.file})


class _Used(NamedTuple):
    """What an agent keeps of its recipe."""

    use: str = ""
    approve: str = ""
    truth: Truth = Truth()


def _filled(node: Node, shared: Shared) -> tuple[Node, _Used]:
    """Return an entry with what its recipe adds, where it has one."""
    if "use" in (node.pairs or {}):
        node, recipe, word = using.applied(node, shared)
        return node, _Used(recipe.name, word if recipe.approve else "", recipe.truth)
    faults = Faults()
    for key in [key for key in OF_RECIPES if key in node.keys]:
        faults.add(node.keys[key].fault(f"`{key}` needs `use`; remove it"))
    faults.check()
    return node, _Used()


def refuse_reserved(node: Node) -> None:
    """Raise for keys of a later version."""
    faults = Faults()
    for key, place in node.keys.items():
        if key in _NEVER:
            faults.add(place.fault(f"`{key}` is not supported yet; {_NEVER[key]}"))
    faults.check()


def _completed(node: Node, defaults: Node | None) -> Node:
    """Return an entry with the defaults that it does not name itself; `env` is merged name by name."""
    own = node.pairs or {}
    service = "mode" in own and own["mode"].text == "service"
    keys = [key for key in DEFAULTS if not (service and key in _OF_RUNS)]
    return node.over(defaults.only(keys)) if defaults else node


def _inherited(values: Mapping[str, Any], shared: Shared) -> dict[str, Any]:
    given, folder = values.get("cwd", ""), os.path.dirname(shared.file)  # noqa: PTH120
    cwd = "" if given == CALLER else os.path.expanduser(given)  # noqa: PTH111
    return {
        "caller": given == CALLER,
        "cwd": os.path.normpath(os.path.join(folder, cwd)),  # noqa: PTH118
        "env": {**shared.env, **values.get("env", {})},
        "env_pass": tuple(dict.fromkeys((*shared.env_pass, *values.get("env_pass", ())))),
        "env_required": tuple(dict.fromkeys((*shared.env_required, *values.get("env_required", ())))),
    }
