"""The rules between the keys of an entry, once each of its values can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.agent import Readiness, Retain
from . import reading
from .faults import Faults
from .keys import OF_SERVICES
from .nodes import Node
from .placeholders import NAMES, OF_SESSIONS, SESSION, misplaced, prefixes, split


def check(node: Node, values: Mapping[str, Any], *, is_service: bool) -> None:
    """Raise for what the keys of an entry have against each other, as far as their `values` could be read."""
    faults, pairs = Faults(), {key: value for key, value in (node.pairs or {}).items() if key in values}
    allowed = NAMES - OF_SESSIONS - ({"prompt", "session"} if is_service else {"port"})
    with faults.kept():
        if "command" in pairs:
            _check_placeholders(pairs["command"], "command", values["command"], allowed)
    with faults.kept():
        if "install" in pairs:
            _check_placeholders(pairs["install"], "install", values["install"], frozenset({"python"}))
    for key in OF_SERVICES:
        if key in node.keys and not is_service:
            faults.add(node.keys[key].fault(f"`{key}` needs `mode: service`; add it or remove `{key}`"))
    port = "auto" if values.get("port") == 0 else str(values.get("port"))
    if "port" in pairs and values.get("env", {}).get("PORT", port) != port:
        why = "`port` sets PORT for the service; remove one of the two"
        faults.add(pairs["env"].keys["PORT"].fault(why))
    with faults.kept():
        if "prompt" in pairs and "command" in pairs:
            _check_prompt(pairs["prompt"], values, is_service=is_service)
    with faults.kept():
        if "command" in pairs:
            _check_session(node, pairs, values, is_service=is_service)
    if values.get("files") is False and values.get("retain", Retain()).on_failure:
        why = "`files: false` leaves no scratch to retain; remove one of the two"
        faults.add(node.keys["retain"].fault(why))
    if values.get("worktree") and (against := _no_worktree(values, is_service=is_service)):
        faults.add(node.keys["worktree"].fault(against))
    faults.check()


def _no_worktree(values: Mapping[str, Any], *, is_service: bool) -> str | None:
    if is_service:
        return "`worktree` has no meaning with `mode: service`; remove it"
    if values.get("files") is False:
        return "`worktree` leaves its patch among the run's files; remove `files: false`"
    return None


def _check_placeholders(node: Node, key: str, command: Sequence[str], allowed: frozenset[str]) -> None:
    """Raise for placeholders that are unknown, not allowed, or inside a longer element."""
    faults = Faults()
    for item, element in zip(node.items or (), command, strict=True):
        if found := split(element):
            with faults.kept():
                _check_placeholder(item, key, found[1], allowed)
                if SESSION == f"{{{found[1]}}}" != element:
                    raise item.fault(f"{SESSION} stands for any number of arguments: an element by itself")
        elif inside := misplaced(element):
            why = f"{inside} stands inside the longer element {element[:60]!r}; make it an element by itself"
            faults.add(item.fault(f"{why}, or the value of an option: --name={inside}"))
    faults.check()
    if command[0] != "{python}" and split(command[0]):
        raise (node.items or [node])[0].fault(f"`{key}` must begin with a program, not {command[0]}")


def _check_placeholder(item: Node, key: str, name: str, allowed: frozenset[str]) -> None:
    known = "known are " + ", ".join(f"{{{one}}}" for one in sorted(allowed))
    if name not in NAMES:
        near = reading.did_you_mean(name, allowed)
        raise item.fault(f"unknown placeholder {{{name}}} in `{key}`; {known}{near}")
    if name not in allowed:
        raise item.fault(f"{{{name}}} has no meaning in `{key}` here; {known}")


def _check_session(
    node: Node, pairs: Mapping[str, Node], values: Mapping[str, Any], *, is_service: bool
) -> None:
    """Raise for a session without its place in the command, or a place that nothing is told for."""
    place = SESSION in values["command"]
    if values.get("session") is not None:
        if is_service:
            raise node.keys["session"].fault("a service continues no conversation; remove `session`")
        if not place:
            raise node.keys["session"].fault(f'`session` needs an element "{SESSION}" in `command`; add it')
    elif place and "session" not in node.keys:
        raise pairs["command"].fault(f'"{SESSION}" in `command` needs `session`; add it, or remove this')


def _check_prompt(node: Node, values: Mapping[str, Any], *, is_service: bool) -> None:
    way, element = values["prompt"], bool(prefixes(values["command"], "prompt"))
    if is_service and way != "none":
        raise node.fault("a service gets no prompt; remove `prompt`")
    if way == "arg" and not element:
        raise node.fault('`prompt: arg` needs an element "{prompt}" in `command`; add it')
    if way != "arg" and element:
        raise node.fault(f'`prompt: {way}` contradicts the element "{{prompt}}" of `command`; remove one')


def service(node: Node, values: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of a service: no time limit, no prompt, a port, a readiness that fits the port."""
    port = values.get("port", 0 if prefixes(values["command"], "port") else None)
    ready = values.get("readiness", Readiness(type="timeout" if port is None else "tcp"))
    if port is None and ready.type != "timeout":
        raise node.keys["readiness"].fault(f"`readiness: {ready.type}` needs a `port`; add port: auto")
    return {"timeout": None, "prompt": "none", **values, "port": port, "readiness": ready}
