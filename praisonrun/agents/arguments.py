"""A program and its arguments; placeholders such as `{prompt}` fill whole elements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .nodes import Node
from .reading import did_you_mean, items, text

NAMES = frozenset({"prompt", "port", "session_id", "run_id", "python"})
_WHOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INSIDE = re.compile(r"\{(" + "|".join(sorted(NAMES)) + r")\}")


def argv(node: Node, key: str) -> tuple[str, ...]:
    """Return a program and its arguments; numbers stand as they are written."""
    if isinstance(node.value, str):
        raise node.fault(
            f"`{key}` must be a list, never a shell line: [program, argument]; for a shell [sh, -c, '…']"
        )
    listed = items(node, key, "a list: [program, argument]")
    found = tuple(item.text if item.tag in ("int", "float") else text(item, key) for item in listed)
    if not found or not found[0]:
        raise node.fault(f"`{key}` must begin with a program")
    return found


def check(node: Node, key: str, command: Sequence[str], allowed: frozenset[str]) -> None:
    """Raise ConfigError for a placeholder that is unknown, not allowed, or inside a longer element."""
    for item, element in zip(items(node, key), command, strict=True):
        if whole := _WHOLE.fullmatch(element):
            _check_whole(item, key, whole[1], allowed)
        elif inside := _INSIDE.search(element):
            raise item.fault(
                f"{inside[0]} stands inside the longer element {element[:60]!r}: a placeholder fills a whole"
                " element; make it an element of its own"
            )
    first = _WHOLE.fullmatch(command[0])
    if first and first[1] != "python":
        raise items(node, key)[0].fault(f"`{key}` must begin with a program, not {command[0]}")


def _check_whole(item: Node, key: str, name: str, allowed: frozenset[str]) -> None:
    known = ", ".join(f"{{{one}}}" for one in sorted(allowed))
    if name not in NAMES:
        raise item.fault(
            f"unknown placeholder {{{name}}} in `{key}`; known are {known}{did_you_mean(name, allowed)}"
        )
    if name not in allowed:
        raise item.fault(f"{{{name}}} has no meaning in `{key}` here; known are {known}")


def used(command: Sequence[str]) -> frozenset[str]:
    """Return the placeholders of a command."""
    return frozenset(whole[1] for element in command if (whole := _WHOLE.fullmatch(element)))


def fill(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the command with its placeholders filled."""
    return [
        values.get(element[1:-1], element) if _WHOLE.fullmatch(element) else element for element in command
    ]
