"""Typed readers: each takes a node and its key, and returns a value or raises with place and expectation."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from ..core import durations
from ..core.errors import ConfigError
from ..core.model import Json
from . import hints
from .faults import Faults
from .nodes import REFUSED, Node

T = TypeVar("T")
Reader: TypeAlias = Callable[[Node, str], T]


def text(node: Node, key: str) -> str:
    """Return a text. Numbers, booleans and dates are rejected: they must be quoted."""
    return _clean(node, key, _plain(node, key, "a text", str))


def whole(low: int, high: int) -> Reader[int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(node: Node, key: str) -> int:
        value = _plain(node, key, "a whole number", int)
        if not low <= value <= high:
            raise node.fault(f"`{key}` must be from {low} to {high}, not {node.text[:40]}")
        return value

    return read


def seconds(low: float, high: float, *, off: bool = False) -> Reader[float | None]:
    """Return a reader of seconds or of a duration such as 1h30m; with `off`, the word off stands for None."""
    wanted = (
        f"a number of seconds{',' if off else ' or'} a duration such as 90s, 5m or 1h30m{', or off' * off}"
    )

    def read(node: Node, key: str) -> float | None:
        if off and node.value is False and node.text.lower() == "off":
            return None
        value = durations.parse(node.text) if node.tag == "str" else None
        if value is None and node.tag == "str" and (near := durations.meant(node.text)):
            raise node.fault(f"`{key}` must be {wanted}, not {node.kind}; write {near}")
        if value is None:
            value = _plain(node, key, wanted, float, int)
        if not low <= value <= high:
            raise node.fault(f"`{key}` must be from {low:.10g} to {high:.10g} seconds, not {node.text[:40]}")
        return float(value)

    return read


def boolean(node: Node, key: str) -> bool:
    """Return true or false."""
    return _plain(node, key, "true or false", bool)


def one_of(*words: str) -> Reader[str]:
    """Return a reader of one of some words."""

    def read(node: Node, key: str) -> str:
        value = text(node, key)
        if value not in words:
            wanted = f"{', '.join(words[:-1])} or {words[-1]}"
            raise node.fault(f"`{key}` must be {wanted}, not {value!r}{did_you_mean(value, words)}")
        return value

    return read


def texts(read: Reader[str] = text) -> Reader[tuple[str, ...]]:
    """Return a reader of lists of texts, each of which `read` accepts."""

    def read_all(node: Node, key: str) -> tuple[str, ...]:
        return all_of(items(node, key, "a list of texts"), lambda item: read(item, key))

    return read_all


def all_of(nodes: Iterable[Node], read: Callable[[Node], T]) -> tuple[T, ...]:
    """Return what a function makes of each node. Raises all of its faults together."""
    faults, found = Faults(), []
    for node in nodes:
        with faults.kept():
            found.append(read(node))
    faults.check()
    return tuple(found)


def output(node: Node, key: str) -> str:
    """Return a relative path without `..`."""
    path = text(node, key)
    if not path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise node.fault(f"`{key}` must be paths inside the run's directory, without '..', not {path!r}")
    return path


def json_mapping(node: Node, key: str) -> dict[str, Json]:
    """Return a mapping with any JSON values."""
    return {name: _json(value, f"{key}.{name}") for name, value in mapping(node, key).items()}


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


def values(node: Node, readers: Mapping[str, Reader[Any]], what: str, within: str = "") -> dict[str, Any]:
    """Return what the readers make of a mapping's values. Raises for keys without a reader, too."""
    faults = Faults()
    found = readable(node, readers, what, faults, within)
    faults.check()
    return found


def readable(
    node: Node, readers: Mapping[str, Reader[Any]], what: str, faults: Faults, within: str = ""
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


def _plain(node: Node, key: str, wanted: str, *kinds: type[T]) -> T:
    if not node.tag or node.tag in REFUSED or type(node.value) not in kinds:
        raise wrong(node, key, wanted)
    return cast("T", node.value)


def _clean(node: Node, key: str, value: str) -> str:
    if "\0" in value:
        raise node.fault(f"`{key}` must not hold a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise node.fault(f"`{key}` must not hold half of a surrogate pair")
    return value


def _json(node: Node, key: str) -> Json:
    if node.pairs is not None:
        return {name: _json(value, f"{key}.{name}") for name, value in node.pairs.items()}
    if node.items is not None:
        return [_json(item, key) for item in node.items]
    value = _plain(node, key, "a text", str, int, float, bool, type(None))
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(node, key, "a finite number or a text")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise node.fault(f"`{key}` must be a number of at most 64 bits; quote it")
    return _clean(node, key, value) if isinstance(value, str) else value


def _unquoted_braces(node: Node) -> str:
    if node.pairs is None or len(node.pairs) != 1:
        return ""
    name, value = next(iter(node.pairs.items()))
    return f"{{{name}}}" if value.tag == "null" and re.fullmatch(r"[a-z_]+", name) else ""
