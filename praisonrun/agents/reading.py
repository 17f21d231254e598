"""Typed readers: each takes a node and its key, and returns a value or raises with place and expectation."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable

from ..core.errors import ConfigError
from ..core.model import Json
from .nodes import Node


def text(node: Node, key: str) -> str:
    """Return a text. Numbers, booleans and dates are rejected: they must be quoted."""
    value = _scalar(node, key, "a text")
    if not isinstance(value, str) or node.scalar is None or node.scalar.tag != "str":
        raise wrong(node, key, "a text")
    return _clean(node, key, value)


def whole(low: int, high: int) -> Callable[[Node, str], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(node: Node, key: str) -> int:
        value = _scalar(node, key, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(node, key, "a whole number")
        if not low <= value <= high:
            raise node.fault(f"`{key}` must be from {low} to {high}, not {value}")
        return value

    return read


def seconds(low: float, high: float, *, off: bool = False) -> Callable[[Node, str], float | None]:
    """Return a reader of seconds; with `off`, the word off stands for None."""
    wanted = "a number of seconds" + (" or off" if off else "")

    def read(node: Node, key: str) -> float | None:
        value = _scalar(node, key, wanted)
        if off and value is False and node.scalar is not None and node.scalar.text.lower() == "off":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(node, key, wanted)
        if not (math.isfinite(value) and low <= value <= high):
            raise node.fault(f"`{key}` must be from {low:g} to {high:g} seconds, not {value:g}")
        return float(value)

    return read


def boolean(node: Node, key: str) -> bool:
    """Return true or false."""
    value = _scalar(node, key, "true or false")
    if not isinstance(value, bool):
        raise wrong(node, key, "true or false")
    return value


def one_of(*words: str) -> Callable[[Node, str], str]:
    """Return a reader of one of some words."""

    def read(node: Node, key: str) -> str:
        value = text(node, key)
        if value not in words:
            raise node.fault(f"`{key}` must be {_or(words)}, not {value!r}{did_you_mean(value, words)}")
        return value

    return read


def texts(node: Node, key: str) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(text(item, key) for item in items(node, key, "a list of texts"))


def outputs(node: Node, key: str) -> tuple[str, ...]:
    """Return relative paths without `..`."""
    found = texts(node, key)
    for item, path in zip(node.items or (), found, strict=True):
        if not path or path.startswith(("/", "~")) or ".." in path.split("/"):
            raise item.fault(f"`{key}` must be paths inside the run's directory, without '..', not {path!r}")
    return found


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
    if "text" in wanted and node.scalar is not None:
        hint = f'; quote it: "{node.scalar.text}"' if node.scalar.text else '; write "" for an empty text'
    elif "seconds" in wanted and node.scalar is not None and node.scalar.tag == "base60":
        hint = "; write the number of seconds, such as 60"
    return node.fault(f"`{key}` must be {wanted}, not {node.kind}{hint}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or "" if no known word is similar."""
    close = difflib.get_close_matches(word[:80], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def check_form(node: Node, word: str, form: str, wanted: str) -> None:
    """Raise for a word that does not match a regular expression."""
    if not re.fullmatch(form, word):
        raise node.fault(f"{word[:80]!r}: {wanted}")


def unknown_keys(node: Node, known: Iterable[str], what: str) -> None:
    """Raise for the first key of a mapping that is not known."""
    names = sorted(known)
    for name, key in node.keys.items():
        if name not in names:
            near = did_you_mean(name, names) or f"; known are {', '.join(names)}"
            raise key.fault(f"unknown key `{name}` in {what}{near}")


def _scalar(node: Node, key: str, wanted: str) -> str | int | float | bool | None:
    if node.scalar is None or node.scalar.tag in ("timestamp", "base60", "octal"):
        raise wrong(node, key, wanted)
    return node.scalar.value


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
    value = _scalar(node, key, "a text")
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(node, key, "a finite number or a text")
    return _clean(node, key, value) if isinstance(value, str) else value


def _unquoted_braces(node: Node) -> str:
    if node.pairs is None or len(node.pairs) != 1:
        return ""
    name, value = next(iter(node.pairs.items()))
    empty = value.scalar is not None and value.scalar.tag == "null"
    return f"{{{name}}}" if empty and re.fullmatch(r"[a-z_]+", name) else ""


def _or(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
