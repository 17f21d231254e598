"""From an entry of agents.yaml to an Agent: the table of keys, then the rules between keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.agent import Agent, Readiness, Retain
from ..core.model import Mode
from ..journal.formats import FORMATS
from . import reading
from .crew import Shared
from .nodes import Node
from .reading import Reader

_NAMES = frozenset({"prompt", "port", "session_id", "run_id", "python"})
_WHOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INSIDE = re.compile(r"\{(" + "|".join(sorted(_NAMES)) + r")\}")
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
    found = tuple(item.text if item.tag in ("int", "float") else reading.text(item, key) for item in listed)
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


_READINESS: Mapping[str, Reader[Any]] = {
    "type": reading.one_of("http", "tcp", "timeout"),
    "path": reading.text,
    "timeout_seconds": reading.seconds(0.1, 3600),
}
_RETAIN: Mapping[str, Reader[Any]] = {"on_failure": reading.boolean, "seconds": reading.whole(1, int(YEAR))}
READERS: Mapping[str, Reader[Any]] = {
    "command": _argv,
    "mode": _mode,
    "prompt": reading.one_of("stdin", "arg", "none"),
    "cwd": reading.text,
    "env": reading.env_values,
    "env_pass": reading.texts(reading.env_glob),
    "env_required": reading.texts(reading.env_name),
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


def read(name: str, node: Node, shared: Shared) -> Agent:
    """Return the agent that one entry describes. Raises ConfigError with the place of the fault."""
    if node.pairs is None:
        raise node.fault(f"agent `{name}` must be a mapping such as {{command: [program]}}, not {node.kind}")
    refuse_reserved(node)
    values = reading.values(node, READERS, f"agent `{name}`")
    if "command" not in values:
        raise node.fault(f"agent `{name}` has no `command`; write command: [program, argument]")
    service = values.get("mode") is Mode.SERVICE
    _check_together(node, values, service=service)
    if service:
        values = _service(node, values)
    values.setdefault("prompt", "arg" if "{prompt}" in values["command"] else "stdin")
    return Agent(**{**values, **_inherited(values, shared), "name": name, "file": shared.file})


def refuse_reserved(node: Node) -> None:
    """Raise for a key of a later version."""
    for key, place in node.keys.items():
        if key in _NEVER:
            raise place.fault(f"`{key}` is not supported yet; {_NEVER[key]}")


def _inherited(values: Mapping[str, Any], shared: Shared) -> dict[str, Any]:
    folder, cwd = os.path.dirname(shared.file), os.path.expanduser(values.get("cwd", ""))  # noqa: PTH111, PTH120
    return {
        "cwd": os.path.normpath(os.path.join(folder, cwd)),  # noqa: PTH118
        "env": {**shared.env, **values.get("env", {})},
        "env_pass": tuple(dict.fromkeys((*shared.env_pass, *values.get("env_pass", ())))),
        "env_required": tuple(dict.fromkeys((*shared.env_required, *values.get("env_required", ())))),
    }


def _check_together(node: Node, values: Mapping[str, Any], *, service: bool) -> None:
    pairs = reading.mapping(node, "agent")
    allowed = _NAMES - ({"prompt"} if service else {"port"})
    _check_placeholders(pairs["command"], "command", values["command"], allowed)
    if "install" in pairs:
        _check_placeholders(pairs["install"], "install", values["install"], frozenset({"python"}))
    for key in ("port", "readiness", "public_url"):
        if key in pairs and not service:
            raise node.keys[key].fault(f"`{key}` needs `mode: service`; add it or remove `{key}`")
    if "port" in pairs and values.get("env", {}).get("PORT", pairs["port"].text) != pairs["port"].text:
        raise pairs["env"].keys["PORT"].fault("`port` sets PORT for the service; remove one of the two")
    if "prompt" in pairs:
        _check_prompt(pairs["prompt"], values, service=service)
    if values.get("files") is False and values.get("retain", Retain()).on_failure:
        raise node.keys["retain"].fault("`files: false` leaves no scratch to retain; remove one of the two")


def _check_placeholders(node: Node, key: str, command: Sequence[str], allowed: frozenset[str]) -> None:
    """Raise for a placeholder that is unknown, not allowed, or inside a longer element."""
    for item, element in zip(node.items or (), command, strict=True):
        if whole := _WHOLE.fullmatch(element):
            _check_placeholder(item, key, whole[1], allowed)
        elif inside := _INSIDE.search(element):
            raise item.fault(
                f"{inside[0]} stands inside the longer element {element[:60]!r}; make it an element by itself"
            )
    if command[0] != "{python}" and _WHOLE.fullmatch(command[0]):
        raise (node.items or [node])[0].fault(f"`{key}` must begin with a program, not {command[0]}")


def _check_placeholder(item: Node, key: str, name: str, allowed: frozenset[str]) -> None:
    known = "known are " + ", ".join(f"{{{one}}}" for one in sorted(allowed))
    if name not in _NAMES:
        near = reading.did_you_mean(name, allowed)
        raise item.fault(f"unknown placeholder {{{name}}} in `{key}`; {known}{near}")
    if name not in allowed:
        raise item.fault(f"{{{name}}} has no meaning in `{key}` here; {known}")


def _check_prompt(node: Node, values: Mapping[str, Any], *, service: bool) -> None:
    way, element = values["prompt"], "{prompt}" in values["command"]
    if service and way != "none":
        raise node.fault("a service gets no prompt; remove `prompt`")
    if way == "arg" and not element:
        raise node.fault('`prompt: arg` needs an element "{prompt}" in `command`; add it')
    if way != "arg" and element:
        raise node.fault(f'`prompt: {way}` contradicts the element "{{prompt}}" of `command`; remove one')


def _service(node: Node, values: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of a service: no time limit, no prompt, a port, a readiness that fits the port."""
    port = values.get("port", 0 if "{port}" in values["command"] else None)
    ready = values.get("readiness", Readiness(type="timeout" if port is None else "tcp"))
    if port is None and ready.type != "timeout":
        raise node.keys["readiness"].fault(f"`readiness: {ready.type}` needs a `port`; add port: auto")
    return {"timeout": None, "prompt": "none", **values, "port": port, "readiness": ready}
