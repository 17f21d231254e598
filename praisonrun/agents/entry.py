"""From an entry of agents.yaml to an Agent: the table of keys, what defaults add, and what a file shares."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.agent import Agent, Readiness, Retain
from ..core.model import Mode
from ..journal.formats import FORMATS
from . import environment, hints, reading, rules
from .crew import Shared
from .faults import Faults
from .nodes import Node
from .placeholders import prefixes
from .reading import Reader

CALLER = "caller"
"""The value of `cwd` that leaves the directory to each submit."""
YEAR = 366 * 24 * 3600.0
_NEVER: Mapping[str, str] = {
    "use": "write `command:` for now",
    "cancel_signal": "remove it: an agent is asked to end with SIGTERM",
    "session": "remove it: the agent finds its session in PRAISONRUN_SESSION_ID",
    "launcher": "remove it",
    "launchers": "remove it",
    "sandbox": "remove it",
}
"""Keys of a later version, and what to do until then."""


def _argv(node: Node, key: str) -> tuple[str, ...]:
    """Return a program and its arguments; numbers stand as they are written."""
    if isinstance(node.value, str):
        raise node.fault(
            f"`{key}` must be a list, never a shell line: [program, argument]; for a shell [sh, -c, '…']"
        )
    listed = reading.items(node, key, "a list: [program, argument]")
    found = reading.all_of(
        listed, lambda item: item.text if item.tag in ("int", "float") else reading.text(item, key)
    )
    if not found or not found[0]:
        raise node.fault(f"`{key}` must begin with a program")
    return found


def _mode(node: Node, key: str) -> Mode:
    return Mode(reading.one_of("run", "service")(node, key))


def _port(node: Node, key: str) -> int:
    if node.tag == "str":
        if node.text == "auto":
            return 0
        raise node.fault(f"`{key}` must be a number from 1 to 65535 or auto, not {node.kind}")
    return reading.whole(1, 65535)(node, key)


def _readiness(node: Node, key: str) -> Readiness:
    values = reading.values(node, _READINESS, f"`{key}`", f"{key}.")
    if not values.get("path", "/").startswith("/"):
        raise reading.mapping(node, key)["path"].fault(f"`{key}.path` must begin with /")
    if "path" in values and values.get("type") != "http":
        raise node.keys["path"].fault(f"`{key}.path` has a meaning only with `type: http`")
    return Readiness(**values)


def _retain(node: Node, key: str) -> Retain:
    return Retain(**reading.values(node, _RETAIN, f"`{key}`", f"{key}."))


def _whole_seconds(node: Node, key: str) -> int:
    value = reading.seconds(1, YEAR)(node, key)
    if value is None or value % 1:
        raise node.fault(f"`{key}` must be a whole number of seconds, not {node.text[:40]}")
    return int(value)


_READINESS: Mapping[str, Reader[Any]] = {
    "type": reading.one_of("http", "tcp", "timeout"),
    "path": reading.text,
    "timeout_seconds": reading.seconds(0.1, 3600),
}
_RETAIN: Mapping[str, Reader[Any]] = {"on_failure": reading.boolean, "seconds": _whole_seconds}
READERS: Mapping[str, Reader[Any]] = {
    "command": _argv,
    "mode": _mode,
    "prompt": reading.one_of("stdin", "arg", "none"),
    "cwd": reading.text,
    "env": environment.values,
    "env_pass": reading.texts(environment.glob),
    "env_required": reading.texts(environment.name),
    "timeout": reading.seconds(0.1, YEAR, off=True),
    "idle_timeout": reading.seconds(0.1, YEAR, off=True),
    "grace": reading.seconds(0, 3600),
    "retries": reading.whole(0, 1000),
    "backoff": reading.seconds(0, 24 * 3600),
    "concurrency": reading.whole(1, 10_000),
    "priority": reading.whole(-1_000_000, 1_000_000),
    "format": reading.one_of(*sorted(FORMATS)),
    "files": reading.boolean,
    "install": _argv,
    "outputs": reading.texts(reading.output),
    "description": reading.text,
    "metadata": reading.json_mapping,
    "port": _port,
    "readiness": _readiness,
    "public_url": reading.boolean,
    "retain": _retain,
}
"""Every key of an entry, in the words of core.agent, and how its value is read."""


DEFAULTS: Mapping[str, Reader[Any]] = {
    key: reader
    for key, reader in READERS.items()
    if key not in ("command", "mode", "prompt", "description", "port", "readiness", "public_url")
}
"""The keys that many entries may share."""
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
