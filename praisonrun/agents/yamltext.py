"""From YAML text to a tree in which every key and value knows its place. No file, no schema.

The tree is built from parse events in one pass, so depth, anchors, merge keys, tags and duplicate keys are
rejected before anything recursive or exponential can start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml

from ..core.errors import ConfigError
from . import hints
from .faults import Faults
from .nodes import Node, tag_of, value_of

MAX_DEPTH = 20
"""Levels of nesting."""
MAX_NODES = 10_000
"""Keys and values of one file: parsing so many takes 60 ms."""

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COLLECTIONS = (None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_UNPRINTABLE = re.compile(yaml.reader.Reader.NON_PRINTABLE.pattern)
_TABS = "indent with spaces: YAML does not allow tabs there"
_HINTS = (
    ("\\t", _TABS),
    ("cannot start any token", 'quote a text that starts with @, ` or %: "@text"'),
    ("mapping values are not allowed", "quote a text that contains ': ', and check the indentation"),
    ("unknown escape character", "use 'single quotes' for a text with backslashes"),
    ("alphabetic or numeric character", 'quote a text that starts with * or &: "*.txt"'),
    ("expected ',' or ']'", "check that the list is closed and its elements are separated by commas"),
    ("expected ',' or '}'", "check that the braces are closed; quote a text that starts with {"),
    ("found unexpected end of stream", "check that every quote is closed"),
    ("expected <block end>", "check the indentation"),
    ("could not find expected ':'", "write `key: value`, with a space after the colon"),
    ("did not find expected key", "check the indentation"),
)


def parse(text: str, file: str, kept: Faults | None = None) -> Node | None:
    """Return the tree of one YAML document, or None if the text has no value.

    `file` is the name shown in errors. Raises ConfigError with a place for anything that is not
    plain YAML: syntax, anchors, merge keys, foreign tags, duplicate keys, too deep, too many values.
    What leaves a tree (anchors, tags, merge and duplicate keys) is kept in `kept` where that is given.
    """
    faults = Faults() if kept is None else kept
    try:
        root = _tree(text, file, faults)
    except ConfigError as last:
        faults.add(last)
        raise faults.joined() from None
    if kept is None:
        faults.check()
    return root


def _tree(text: str, file: str, faults: Faults) -> Node | None:
    if conflict := re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
        line = text.count("\n", 0, conflict.start()) + 1
        raise Node(file, line, 1).fault(f"{conflict[1]} is the mark of a merge conflict; resolve it")
    odd = _UNPRINTABLE.search(text)
    if odd:
        line, column = text.count("\n", 0, odd.start()) + 1, odd.start() - text.rfind("\n", 0, odd.start())
        advice = "is the file UTF-16? save it as UTF-8" if odd.group() == "\0" else "remove it"
        raise Node(file, line, column).fault(f"the character {odd.group()!r} is not allowed; {advice}")
    try:
        return _Builder(file, faults).build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        # The parser reads up to 1024 characters ahead of its events, and some versions of it have limits of
        # their own: what our rules reject before its fault is said first.
        if error.problem_mark is not None:
            with suppress(yaml.YAMLError), faults.kept():
                _Builder(file, faults).build(yaml.parse(text[: error.problem_mark.index], Loader=_LOADER))
        raise _syntax(error, text, file) from None
    except yaml.YAMLError as error:
        raise Node(file, 1, 1).fault(f"not YAML: {error}") from None


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Node(file, 1, 1).fault(f"not YAML: {error.problem or error.context}")
    lines = [*text.splitlines(), ""]
    first = (error.context_mark or mark).line
    said = " ".join(part for part in (error.problem, error.context) if part)
    hint = next((hint for sign, hint in _HINTS if sign in said), "check the quotes and the indentation")
    if "expected ',' or" in said and text[mark.index : mark.index + 1] == ":":
        hint = "quote a text that contains ': '"
    elif "expected ',' or" in said and (cut := hints.cut_off(lines[first : mark.line + 1])):
        return Node(file, first + cut[0] + 1, cut[1] + 1).fault(
            "not YAML: a # after a space begins a comment, and the rest of the line is lost; quote the text"
        )
    if "\t" in lines[min(mark.line, len(lines) - 1)][: mark.column + 1]:
        hint = _TABS
    about = lines[max(first - 1, 0) : mark.line + 1]
    hint = next(filter(None, map(hints.of_line, reversed(about))), hint)
    return _node(mark, file).fault(f"not YAML: {error.problem or error.context}; {hint}")


def _node(mark: Any, file: str) -> Node:
    """Return a node without a value at a mark of the parser, or at the start."""
    return Node(file, mark.line + 1, mark.column + 1) if mark else Node(file, 1, 1)


class _Builder:
    """Turns events into nodes; the one place where nesting is walked."""

    def __init__(self, file: str, faults: Faults) -> None:
        self.file, self.faults = file, faults
        self.count = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _node(event.start_mark, self.file).fault(
                        "one document a file: remove the second `---`"
                    )
            elif isinstance(event, yaml.NodeEvent):
                root = self._value(event, events, 1)
        return root

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        """Return a node. Its faults are kept without a `with` each: there may be 10 000 nodes."""
        node = _node(event.start_mark, self.file)
        self._limit(node, depth)
        try:
            self._refuse(event, node)
            if isinstance(event, yaml.ScalarEvent):
                _scalar(event, node)
        except ConfigError as fault:
            self.faults.add(fault)
        if isinstance(event, yaml.ScalarEvent):
            return node
        if isinstance(event, yaml.AliasEvent):
            node.tag = "null"
        elif isinstance(event, yaml.SequenceStartEvent):
            node.items = [self._value(item, events, depth + 1) for item in _until_end(events)]
        else:
            self._mapping(node, events, depth + 1)
        return node

    def _mapping(self, node: Node, events: Iterator[Any], depth: int) -> None:
        node.pairs = {}
        for event in _until_end(events):
            key = self._value(event, events, depth)
            value = self._value(next(events), events, depth)
            try:
                _check_key(key, node.keys.setdefault(key.text, key))
                node.pairs[key.text] = value
            except ConfigError as fault:
                self.faults.add(fault)

    def _limit(self, node: Node, depth: int) -> None:
        self.count += 1
        if depth > MAX_DEPTH:
            raise node.fault(f"nested deeper than {MAX_DEPTH} levels")
        if self.count > MAX_NODES:
            raise node.fault(f"more than {MAX_NODES} keys and values")

    def _refuse(self, event: Any, node: Node) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise node.fault(
                "anchors (&) and aliases (*) are not allowed; put what agents share under `defaults:`, "
                'or quote a text that starts with one: "*.txt"'
            )
        if not isinstance(event, yaml.ScalarEvent) and event.tag not in _COLLECTIONS:
            raise node.fault(f"the tag {_short(event.tag)} is not allowed; remove it")


def _check_key(key: Node, first: Node) -> None:
    if not key.tag:
        raise key.fault(
            f'a key must be a text, not {key.kind}; quote a text that starts with {{ or [: "{{…}}"'
        )
    if key.tag == "merge":
        raise key.fault("merge keys (<<) are not allowed; put what agents share under `defaults:`")
    if first is not key:
        raise key.fault(f"the key `{key.text}` stands here twice; it is also on line {first.line}")


def _scalar(event: Any, node: Node) -> None:
    node.text, node.tag = event.value, tag_of(event.value, event.tag, event.implicit)
    if not node.tag:
        node.tag = "null"
        raise node.fault(f"the tag {_short(event.tag)} is not allowed; remove it, or quote the text")
    try:
        node.value = value_of(node.tag, node.text)
    except ValueError as error:
        raise node.fault(str(error)) from None


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
