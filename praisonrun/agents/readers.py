"""Typed readers: each returns the value of a node, or raises with place and expectation.

Each knows, too, what a JSON Schema says of its values, so that editors check what `check` does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar, cast

from ..core import durations
from ..core.model import Json
from .nodes import REFUSED, Node
from .reading import Read, all_of, did_you_mean, items, mapping, wrong

T = TypeVar("T")
Schema: TypeAlias = Mapping[str, Json]


class Reader(Generic[T]):
    """Reads a value: takes a node and its key."""

    def __init__(self, read: Read[T], schema: Schema) -> None:
        self._read = read
        self.schema = schema
        """What it accepts, as JSON Schema has it (draft 7)."""

    def __call__(self, node: Node, key: str) -> T:
        return self._read(node, key)


def reads(schema: Schema) -> Callable[[Read[T]], Reader[T]]:
    """Make a function a reader."""
    return lambda read: Reader(read, schema)


def keyed(readers: Mapping[str, Reader[Any]]) -> Schema:
    """Return the schema of a mapping whose values have these readers."""
    pairs = {key: reader.schema for key, reader in readers.items()}
    return {"type": "object", "properties": pairs, "additionalProperties": False}


@reads({"type": "string"})
def text(node: Node, key: str) -> str:
    """Return a text. Numbers, booleans and dates are rejected: they must be quoted."""
    return _clean(node, key, _plain(node, key, "a text", str))


@reads({"type": "string", "format": "regex"})
def pattern(node: Node, key: str) -> str:
    """Return a pattern of Python."""
    try:
        return re.compile(text(node, key)).pattern
    except re.error as error:
        raise node.fault(f"`{key}` is no pattern: {error}") from None


def whole(low: int, high: int) -> Reader[int]:
    """Return a reader of whole numbers from `low` to `high`."""

    @reads({"type": "integer", "minimum": low, "maximum": high})
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

    pattern = f"^(off|{durations.PATTERN})$" if off else f"^{durations.PATTERN}$"
    told = {"patternErrorMessage": f"must be {wanted}"}  # of VS Code; others do not look at it

    @reads({"type": ["number", "string"], "minimum": low, "maximum": high, "pattern": pattern, **told})
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


@reads({"type": "boolean"})
def boolean(node: Node, key: str) -> bool:
    """Return true or false."""
    return _plain(node, key, "true or false", bool)


def one_of(*words: str) -> Reader[str]:
    """Return a reader of one of some words."""

    @reads({"enum": list(words)})
    def read(node: Node, key: str) -> str:
        value = text(node, key)
        if value not in words:
            wanted = f"{', '.join(words[:-1])} or {words[-1]}"
            raise node.fault(f"`{key}` must be {wanted}, not {value!r}{did_you_mean(value, words)}")
        return value

    return read


def texts(read: Reader[str] = text) -> Reader[tuple[str, ...]]:
    """Return a reader of lists of texts, each of which `read` accepts."""

    @reads({"type": "array", "items": read.schema})
    def read_all(node: Node, key: str) -> tuple[str, ...]:
        return all_of(items(node, key, "a list of texts"), lambda item: read(item, key))

    return read_all


@reads({"type": "string", "pattern": r"^(?![/~])(?!(.*/)?\.\.(/|$)).+$"})
def output(node: Node, key: str) -> str:
    """Return a relative path without `..`."""
    path = text(node, key)
    if not path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise node.fault(f"`{key}` must be paths inside the run's directory, without '..', not {path!r}")
    return path


@reads({"type": "object"})
def json_mapping(node: Node, key: str) -> dict[str, Json]:
    """Return a mapping with any JSON values."""
    return {name: _json(value, f"{key}.{name}") for name, value in mapping(node, key).items()}


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
