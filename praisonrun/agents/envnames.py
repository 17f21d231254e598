"""Readers of what concerns the environment: names, globs and literal values."""

from __future__ import annotations

import re

from .reading import mapping, text, texts
from .yamltext import Node

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GLOB = re.compile(r"[A-Za-z_*?][A-Za-z0-9_*?]*")
_OURS = ("PRAISONRUN_", "LISTEN_FD", "LISTEN_PID", "NOTIFY_SOCKET")


def names(node: Node, key: str) -> tuple[str, ...]:
    """Return names of environment variables."""
    return _names(node, key, _NAME)


def globs(node: Node, key: str) -> tuple[str, ...]:
    """Return names of environment variables, in which * and ? may stand."""
    return _names(node, key, _GLOB)


def literals(node: Node, key: str) -> dict[str, str]:
    """Return names and literal values of environment variables."""
    pairs = mapping(node, key)
    for name in pairs:
        _env_name(node.keys[name], key, name, _NAME)
    return {name: text(value, f"{key}.{name}") for name, value in pairs.items()}


def _names(node: Node, key: str, form: re.Pattern[str]) -> tuple[str, ...]:
    found = texts(node, key)
    for item, name in zip(node.items or (), found, strict=True):
        _env_name(item, key, name, form)
    return found


def _env_name(node: Node, key: str, name: str, form: re.Pattern[str]) -> None:
    if not form.fullmatch(name):
        raise node.fault(
            f"{name!r} in `{key}` is no name of an environment variable; use letters, digits and _"
        )
    if name.startswith(_OURS):
        raise node.fault(f"{name} in `{key}` is set by praisonrun itself; remove it")
