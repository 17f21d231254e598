"""The tree of a YAML text: every value knows its place. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from ..core.errors import ConfigError

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null"})
_BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_resolve: Callable[..., str] = yaml.resolver.Resolver().resolve

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One plain value."""

    text: str
    """As written, without quotes."""
    tag: str
    """str, int, float, bool, null; or timestamp, base60, octal, which no reader accepts."""
    value: Plain
    plain: bool
    """Written without quotes."""

    def __str__(self) -> str:
        match self.tag:
            case "null":
                return "nothing"
            case "bool":
                return f"`{self.text}`, which YAML reads as {str(self.value).lower()}"
            case "int" | "float":
                return f"the number {self.text}"
            case "timestamp":
                return f"`{self.text}`, which YAML reads as a date"
            case "base60":
                return f"`{self.text}`, which YAML reads as a base-60 number"
            case "octal":
                return f"`{self.text}`, which YAML reads as an octal number"
        return f"the text {self.text[:60]!r}"


@dataclass(slots=True, eq=False)
class Node:
    """A value and its place. It has `scalar` for a plain value, else `items` or `pairs`."""

    file: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    scalar: Scalar | None = None
    items: list[Node] | None = None
    pairs: dict[str, Node] | None = None
    keys: dict[str, Node] = field(default_factory=dict)
    """The places of the keys of `pairs`."""

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def kind(self) -> str:
        """What stands here, in words: `a list`, `the number 5`, …"""
        if self.pairs is not None:
            return "a mapping"
        if self.items is not None:
            return "a list"
        return str(self.scalar)

    def fault(self, message: str) -> ConfigError:
        """Return an error that names this place."""
        return ConfigError(message, place=self.place)


def tag_of(text: str, tag: str | None, implicit: tuple[bool, bool]) -> str:
    """Return the short tag of a scalar; "" for an explicit tag that is not one of the core tags."""
    if tag == "!":
        return "str"
    if tag is not None:
        short = tag.removeprefix(_CORE) if tag.startswith(_CORE) else ""
        return short if short in _TAGS else ""
    if not implicit[0]:
        return "str"
    return _refined(_resolve(yaml.ScalarNode, text, (True, False)).removeprefix(_CORE), text)


def value_of(tag: str, text: str) -> Plain:
    """Return the value of a scalar. Raises ValueError if an explicit tag does not fit the text."""
    try:
        match tag:
            case "null":
                return None
            case "bool":
                return _BOOLS[text.lower()]
            case "int":
                return int(text.replace("_", ""), 0)
            case "float":
                return _real(text)
    except (KeyError, ValueError):
        raise ValueError(f"{text[:60]!r} cannot be read as {tag}; quote it if it is a text") from None
    return text


def _refined(tag: str, text: str) -> str:
    if tag in ("int", "float") and ":" in text:
        return "base60"
    if tag == "int" and text.lstrip("+-").replace("_", "").startswith("0") and text.lstrip("+-0_").isdigit():
        return "octal"
    return tag if tag in _TAGS or tag == "timestamp" else "str"


def _real(text: str) -> float:
    plain = text.replace("_", "").lower()
    if plain.lstrip("+-") in (".inf", ".nan"):
        return math.nan if "nan" in plain else math.copysign(math.inf, -1 if plain[0] == "-" else 1)
    return float(plain)
