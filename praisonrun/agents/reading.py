"""Lists and mappings of nodes: their parts, or an error with place and expectation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from ..core.errors import ConfigError
from . import hints
from .faults import Faults
from .nodes import Node

T = TypeVar("T")
Read: TypeAlias = Callable[[Node, str], T]
"""Takes a node and its key, and returns a value or raises."""


def all_of(nodes: Iterable[Node], read: Callable[[Node], T]) -> tuple[T, ...]:
    """Return what a function makes of each node. Raises all of its faults together."""
    faults, found = Faults(), []
    for node in nodes:
        with faults.kept():
            found.append(read(node))
    faults.check()
    return tuple(found)


def mapping(node: Node, key: str) -> dict[str, Node]:
    """Return the pairs of a mapping."""
    if node.pairs is None:
        raise wrong(node, key, "a mapping of keys to values")
    return node.pairs


def items(node: Node, key: str, wanted: str = "a list") -> list[Node]:
    """Return the elements of a list."""
    if node.items is None:
        raise wrong(node, key, wanted)
    return node.items


def wrong(node: Node, key: str, wanted: str) -> ConfigError:
    """Return the error for a value of the wrong kind."""
    braces = _unquoted_braces(node)
    if braces:
        return node.fault(
            f'`{key}` holds {braces} without quotes, which YAML reads as a mapping; quote it: "{braces}"'
        )
    hint = ""
    if "text" in wanted and node.tag:
        hint = f'; quote it: "{node.text}"' if node.text else '; write "" for an empty text'
    elif "seconds" in wanted and node.tag == "base60":
        hint = "; write 90, 90s or 1m30s"
    elif node.tag == "str" and (odd := hints.odd(node.text)):
        hint = f"; {odd}"
    return node.fault(f"`{key}` must be {wanted}, not {node.kind}{hint}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or "" if no known word is similar."""
    close = difflib.get_close_matches(word[:80], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def values(node: Node, readers: Mapping[str, Read[Any]], what: str, within: str = "") -> dict[str, Any]:
    """Return what the readers make of a mapping's values. Raises for keys without a reader, too."""
    faults = Faults()
    found = readable(node, readers, what, faults, within)
    faults.check()
    return found


def readable(
    node: Node, readers: Mapping[str, Read[Any]], what: str, faults: Faults, within: str = ""
) -> dict[str, Any]:
    """Return what can be read of a mapping's values, and keep the faults of the rest."""
    found: dict[str, Any] = {}
    with faults.kept():
        unknown_keys(node, readers, what)
    for key, value in mapping(node, what.strip("`")).items():
        if key in readers:
            with faults.kept():
                found[key] = readers[key](value, within + key)
    return found


def unknown_keys(node: Node, known: Iterable[str], what: str) -> None:
    """Raise for the keys of a mapping that are not known."""
    names, faults = sorted(known), Faults()
    for name, key in node.keys.items():
        if name not in names:
            near = did_you_mean(name, names) or f"; known are {', '.join(names)}"
            better = hints.key(name)
            faults.add(key.fault(f"unknown key `{name[:80]}` in {what}{f'; {better}' if better else near}"))
    faults.check()


def _unquoted_braces(node: Node) -> str:
    if node.pairs is None or len(node.pairs) != 1:
        return ""
    name, value = next(iter(node.pairs.items()))
    return f"{{{name}}}" if value.tag == "null" and re.fullmatch(r"[a-z_]+", name) else ""
