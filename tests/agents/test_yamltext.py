"""The text of an agents file: what is refused, and that every refusal names its place and its cure."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from praisonrun.agents import Catalog
from praisonrun.agents.yamltext import MAX_DEPTH, parse
from praisonrun.core.errors import ConfigError

MERGE_BOMB = "a: &a {x: 1}\n" + "\n".join(f"b{i}: {{<<: *a}}" for i in range(5000))
ALIAS_BOMB = "a: &a [x,x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]" for i in range(20)
)

BROKEN = {
    "brackets": ("[" * 30_000, f"1:{MAX_DEPTH + 1}", "deeper than 20"),
    "braces": ("{a: " * 5_000, None, "deeper than 20"),
    "block depth": ("".join(f"{' ' * i}k:\n" for i in range(300)), None, "deeper than 20"),
    "dashes": ("- " * 5_000, None, "deeper than 20"),
    "depth before a syntax error": ("[" * 21 + "@", f"1:{MAX_DEPTH + 1}", "deeper than 20"),
    "anchor before the parser's own limit": ("a: &b " + "[" * 30_000, "1:4", "anchors"),
    "tag before the parser's own limit": ("!x " + "[" * 30_000, "1:1", "tag !x"),
    "syntax error before any limit": ("[@" + "[" * 30_000, "1:2", "starts with @"),
    "alias bomb": (ALIAS_BOMB, "1:4", "anchors"),
    "merge bomb": (MERGE_BOMB, "1:4", "anchors"),
    "merge key alone": ("a:\n  <<: {x: 1}", "2:3", "merge keys"),
    "alias": ("a: *b", "1:4", "aliases"),
    "anchor on a scalar": ("a: &b c", "1:4", "anchors"),
    "star text": ("a: [*.txt]", None, "quote"),
    "python tag": ("a: !!python/object/apply:os.system [ls]", "1:4", "tag !!python/object/apply:os.system"),
    "own tag": ("a: !secret x", "1:4", "tag !secret"),
    "tag on a map": ("a: !!set {x}", "1:4", "tag !!set"),
    "duplicate": ("a: 1\nb: 2\na: 3", "3:1", "also on line 1"),
    "duplicate, quoted": ('a: 1\n"a": 3', "2:1", "twice"),
    "deep duplicate": ("a:\n  - {b: 1, c: 2, b: 3}", "2:18", "twice"),
    "list as key": ("? [a, b]\n: c", "1:3", "a key must be a text"),
    "map as key": ("a: {{prompt}}", None, "quote"),
    "two documents": ("a: 1\n---\nb: 2", "2:1", "one document"),
    "tab": ("a:\n\tb: 1", "2:1", "indent with spaces"),
    "colon": ("a: b: c", "1:5", "contains ': '"),
    "at sign": ("a: @b", "1:4", "starts with @"),
    "open quote": ('a: "b', None, "every quote is closed"),
    "open list": ("a: [b, c", None, "closed"),
    "nul": ("a: b\0c", "1:5", "not allowed"),
    "control": ("a: 1\nb: \x07", "2:4", "not allowed"),
    "bad explicit int": ("a: !!int x", "1:4", "quote it"),
    "bad explicit bool": ("a: !!bool x", "1:4", "quote it"),
}


@pytest.mark.scorecard(24)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_text_is_refused_with_its_place_and_a_cure(name: str) -> None:
    text, place, says = BROKEN[name]
    with pytest.raises(ConfigError, match=r"^f\.yaml:\d+:\d+: ") as caught:
        parse(text, "f.yaml")
    assert says in caught.value.message
    assert caught.value.place is not None
    if place:
        assert str(caught.value.place) == f"f.yaml:{place}"


@pytest.mark.scorecard(24)
def test_what_has_too_many_keys_takes_bounded_time() -> None:
    started = time.monotonic()
    root = parse("{" + ",".join(f"{i:x}" for i in range(4_900)) + "}", "f")
    assert root is not None
    assert len(root.pairs or {}) == 4_900
    with pytest.raises(ConfigError, match="more than 10000 keys and values"):
        parse("{" + ",".join(f"{i:x}" for i in range(50_000)) + "}", "f")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("off", False), ("0x10", 16), ("1_000", 1000), ("1.5e+3", 1500.0), ("~", None),
        ("'no'", "no"), ('"5"', "5"), ("!!str 5", "5"), ("! 5", "5"), ("-3", -3), ("08", "08"), ("0", 0),
        ("<<", "<<"),
    ],
)  # fmt: skip
def test_values_are_those_of_yaml(text: str, value: object) -> None:
    node = parse(text, "f")
    assert node is not None
    assert node.tag
    assert node.value == value
    assert type(node.value) is type(value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n...\n"])
def test_nothing_is_none_or_null(text: str) -> None:
    node = parse(text, "f")
    assert node is None or node.tag == "null"


def test_places_are_those_of_an_editor() -> None:
    node = parse("é: 1\nagents:\n  a: {b: [x, ü, z]}\n", "f")
    assert node is not None
    assert node.pairs is not None
    inner = (node.pairs["agents"].pairs or {})["a"]
    assert (inner.file, inner.line, inner.column) == ("f", 3, 6)
    listed = (inner.pairs or {})["b"].items or []
    assert [(item.line, item.column) for item in listed] == [(3, 11), (3, 14), (3, 17)]


def test_a_file_that_is_not_utf8_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_bytes(b"agents:\n  a: \xff\n")
    with pytest.raises(ConfigError, match=r"agents\.yaml:2:6: not UTF-8"):
        Catalog(file, [], {})


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf16_is_told_so(tmp_path: Path, form: str) -> None:
    file = tmp_path / "agents.yaml"
    file.write_bytes("agents: {a: {command: [ls]}}".encode(form))
    with pytest.raises(ConfigError, match=r"agents\.yaml:1:[12]: .*UTF-16.* as UTF-8"):
        Catalog(file, [], {})


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_bytes(b"\xef\xbb\xbfagents: {a: {command: [ls]}}")
    assert Catalog(file, [], {}).default.name == "a"
