"""The tree of a YAML text: every value knows its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import yaml

from ..core.errors import ConfigError, FaultPlace

_TAGS = {f"tag:yaml.org,2002:{tag}": tag for tag in ("str", "int", "float", "bool", "null")}
_IMPLICIT = {**_TAGS, "tag:yaml.org,2002:timestamp": "timestamp", "tag:yaml.org,2002:merge": "merge"}
REFUSED = {"timestamp": "a date", "base60": "a base-60 number", "octal": "an octal number"}
"""Tags that no reader accepts, and what YAML makes of such a text."""
_BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_resolve: Callable[..., str] = yaml.resolver.Resolver().resolve

Plain = str | int | float | bool | None


@dataclass(slots=True, eq=False)
class Node:
    """A value and its place: `items`, or `pairs`, or a plain value with its `tag`."""

    file: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    tag: str = ""
    """str, int, float, bool, null, merge, or one of REFUSED; empty for lists and mappings."""
    text: str = ""
    """A plain value as written, without quotes."""
    value: Plain = None
    items: list[Node] | None = None
    pairs: dict[str, Node] | None = None
    keys: dict[str, Node] = field(default_factory=dict)
    """The places of the keys of `pairs`."""

    @property
    def kind(self) -> str:
        """What stands here, in words: `a list`, `the number 5`, …"""
        if not self.tag:
            return "a mapping" if self.items is None else "a list"
        if self.tag == "null":
            return "nothing"
        if self.tag in ("int", "float"):
            return f"the number {self.text}"
        read_as = str(self.value).lower() if self.tag == "bool" else REFUSED.get(self.tag)
        return f"`{self.text}`, which YAML reads as {read_as}" if read_as else f"the text {self.text[:60]!r}"

    def without(self, keys: Collection[str]) -> Node:
        """Return a mapping without some of its keys."""
        return self.only([key for key in self.pairs or {} if key not in keys])

    def only(self, keys: Collection[str]) -> Node:
        """Return a mapping with some of its keys."""
        pairs = {key: value for key, value in (self.pairs or {}).items() if key in keys}
        return replace(self, pairs=pairs, keys={key: at for key, at in self.keys.items() if key in keys})

    def over(self, base: Node, joined: Collection[str] = ()) -> Node:
        """Return a mapping with what another one has besides.

        Mappings under `env` are merged name by name, and lists under the keys `joined` are put together.
        """
        own, pairs = self.pairs or {}, {**(base.pairs or {}), **(self.pairs or {})}
        for key in own.keys() & (base.pairs or {}).keys():
            mine, other = own[key], (base.pairs or {})[key]
            if key == "env" and mine.pairs is not None and other.pairs is not None:
                pairs[key] = mine.over(other)
            elif key in joined and mine.items is not None and other.items is not None:
                pairs[key] = replace(mine, items=[*other.items, *mine.items])
        return replace(self, pairs=pairs, keys={**base.keys, **self.keys})

    def fault(self, message: str) -> ConfigError:
        """Return an error that names this place."""
        return ConfigError(message, place=FaultPlace(self.file, self.line, self.column))


def tag_of(text: str, tag: str | None, implicit: tuple[bool, bool]) -> str:
    """Return the short tag of a scalar; "" for an explicit tag that is not one of the core tags."""
    if tag is not None and tag != "!":
        return _TAGS.get(tag, "")
    if tag == "!" or not implicit[0]:
        return "str"
    found = _IMPLICIT.get(_resolve(yaml.ScalarNode, text, (True, False)), "str")
    if found in ("int", "float") and ":" in text:
        return "base60"
    digits = text.lstrip("+-").replace("_", "")
    octal = found == "int" and digits.startswith("0") and digits.lstrip("0").isdigit()
    return "octal" if octal else found


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
                plain = text.replace("_", "").lower()
                return float(plain.replace(".", "") if plain.lstrip("+-") in (".inf", ".nan") else plain)
    except (KeyError, ValueError):
        raise ValueError(f"{text[:60]!r} cannot be read as {tag}; quote it if it is a text") from None
    return text
