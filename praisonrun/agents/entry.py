"""From an entry of agents.yaml to an Agent: what defaults add, and what a file shares."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.agent import Agent
from ..core.model import Mode
from . import hints, reading, rules
from .crew import Shared
from .faults import Faults
from .keys import DEFAULTS, READERS
from .nodes import Node
from .placeholders import prefixes

CALLER = "caller"
"""The value of `cwd` that leaves the directory to each submit."""
_NEVER: Mapping[str, str] = {
    "use": "write `command:` for now",
    "cancel_signal": "remove it: an agent is asked to end with SIGTERM",
    "session": "remove it: the agent finds its session in PRAISONRUN_SESSION_ID",
    "launcher": "remove it",
    "launchers": "remove it",
    "sandbox": "remove it",
}
"""Keys of a later version, and what to do until then."""
_OF_RUNS = ("timeout", "idle_timeout")
"""Defaults that are not meant for services, which are not expected to end."""


def read(name: str, node: Node, shared: Shared, defaults: Node | None = None) -> Agent:
    """Return the agent that an entry describes, with what `defaults` adds. Raises ConfigError: all faults."""
    if node.pairs is None:
        odd = hints.odd(node.text)
        why = f"agent `{name}` must be a mapping such as {{command: [program]}}, not {node.kind}"
        raise node.fault(f"{why}; {odd}" if odd else why)
    faults, own = Faults(), node.pairs
    node = _completed(node, defaults)
    with faults.kept():
        refuse_reserved(node)
    values = reading.readable(node, READERS, f"agent `{name}`", faults)
    meant = [key for key in own if key not in READERS and reading.did_you_mean(key, ("command",))]
    if not meant and not {"command", "use"} & own.keys():
        faults.add(node.fault(f"agent `{name}` has no `command`; write command: [program, argument]"))
    service = values.get("mode") is Mode.SERVICE
    with faults.kept():
        if "mode" in values or "mode" not in own:
            rules.check(node, values, is_service=service)
    faults.check()
    if service:
        values = rules.service(node, values)
    values.setdefault("prompt", "arg" if prefixes(values["command"], "prompt") else "stdin")
    return Agent(**{**values, **_inherited(values, shared), "name": name, "file": shared.file})


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
    given = (defaults.pairs if defaults else None) or {}
    more = {
        key: value for key, value in given.items() if key in DEFAULTS and not (service and key in _OF_RUNS)
    }
    pairs = {**more, **own}
    if "env" in more and "env" in own:
        env, first = own["env"], more["env"]
        if env.pairs is not None and first.pairs is not None:
            pairs["env"] = replace(env, pairs={**first.pairs, **env.pairs}, keys={**first.keys, **env.keys})
    keys = {**{key: defaults.keys[key] for key in more if defaults}, **node.keys}
    return replace(node, pairs=pairs, keys=keys)


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
