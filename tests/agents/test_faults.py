"""All faults of an agents file at once, defaults, and what people really write."""

from __future__ import annotations

import gc
import re
from contextlib import suppress

import pytest

from praisonrun.agents import document
from praisonrun.agents.faults import MOST
from praisonrun.agents.nodes import Node
from praisonrun.core.errors import ConfigError

from .test_entry import FILE, one

DEFAULTS = """\
defaults: {timeout: 5m, retries: 2, env: {A: all, B: all}, env_pass: [P], cwd: sub, format: jsonl}
agents:
  a: {command: [x], retries: 0, env: {B: mine}, env_pass: [Q]}
  b: {command: [x], format: text}
  c: {command: [x], mode: service}
  defaults: {command: [x]}
"""


def test_defaults_are_of_every_entry_that_does_not_name_its_own() -> None:
    a, b, c, named = document.read(DEFAULTS, FILE, "agents.yaml").agents.values()
    assert (a.timeout, a.retries, a.format, a.cwd) == (300.0, 0, "jsonl", "/home/u/app/sub")
    assert (a.env, a.env_pass) == ({"A": "all", "B": "mine"}, ("Q",))
    assert (b.env, b.env_pass, b.format, b.retries) == ({"A": "all", "B": "all"}, ("P",), "text", 2)
    assert (c.timeout, c.retries) == (None, 2)
    assert (named.name, named.timeout) == ("defaults", 300.0)


def all_faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        one(text)
    if caught.value.faults[1:]:
        assert f"and {len(caught.value.faults) - 1} more fault" in caught.value.message
    return [fault.message.removeprefix("agents.yaml:") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            (
                "defaults: {timeout: 5M, comand: 1, command: [x]}\n"
                "agents: {a: {command: [x]}, b: {command: [x]}}"
            ),
            ["1:21: `defaults.timeout` must", "1:25: unknown key `comand`", "1:36: unknown key `command`"],
        ),
        ("defaults: 5\nagents: {a: {command: [x]}}", ["1:11: `defaults` must be a mapping"]),
        (
            (
                "default: c\nagents:\n  a: {command: [5, no, {x}], timeout: 0, retries: x, zzz: 1}\n"
                "  b c: {env: {A-B: 5, C: 6}, use: x}\n  d: {timeout: 1}\n  d: {}\npython: 5\nx-y: 1"
            ),
            [
                "1:10: `default` names",
                "3:20: `command`",
                "3:24: `command`",
                "3:39: `timeout`",
                "3:51: `retries`",
                "3:54: unknown key `zzz`",
                "4:3: 'b c': an",
                "4:15: 'A-B'",
                "4:20: `env.A-B`",
                "4:26: `env.C`",
                "4:35: no re",
                "5:6: agent `d` has ne",
                "6:3: the key `d` stands here twice",
                "7:9: `python`",
                "8:1: unknown key `x-y` in the file; put what agents share under `defaults:`",
            ],
        ),
        (
            "agents:\n  a: &a {command: [x], files: 5}\n  b: {<<: *a, timeout: 0, command: [y]}",
            [
                "2:6: anchors (&) and aliases (*) are not allowed; put what agents share under `defaults:`",
                "2:31: `files`",
                "3:7: merge keys (<<) are not allowed; put what",
                "3:11: anchors",
                "3:24: `timeout`",
            ],
        ),
        (
            'agents:\n  a: {command: [x, "{a}", "b{prompt}"], port: 1, prompt: arg}',
            [
                "2:20: unknown placeholder",
                "2:27: {prompt} stands inside",
                "2:41: `port` needs",
                "2:58: `prompt",
            ],
        ),
        (
            'agents: {a: {command: [x, "b{prompt}"], retries: -1, port: 1}, b: {concurrency: 1}}',
            ["1:27: {prompt} stands", "1:50: `retries`", "1:54: `port` needs", "1:67: agent `b` has ne"],
        ),
        ("agents: {a: {command: [x], timeout: 0}, b: [}", ["1:45: not YAML"]),
    ],
)
def test_all_faults_of_a_file_are_told_in_order(text: str, says: list[str]) -> None:
    told = all_faults(text)
    assert [line[: len(says[number])] for number, line in enumerate(told)] == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("agents: {a: {command: [x, “{prompt}”]}}", "1:28: not YAML: {0}; “ (U+201C) is a curly"),
        (
            "agents: {a: {“command”: [x]}}",
            "1:14: unknown key `“command”` in agent `a`; “ (U+201C) is a curly",
        ),
        (
            "agents: {a: {command: [x], description: a: b}}",
            "1:42: not YAML: {0}; quote a text that contains ': '",
        ),
        ("agents: {b: {command: [x]}}\n\u00a0 a:\n    command: [x]", "U+00A0 is no plain space"),
        ("agents:\n  a:\n    command: [x]\n\u00a0\u00a0\u00a0\u00a0timeout: 5", "4:1: "),
        ("agents:\n  a:\n    command: [cat, a #b]\n    cwd: x", "3:22: not YAML: {0}; quote the text"),
        ("agents:\n  a:\n    command: [x]\n    timeout\uff1a60", "U+FF1A) is a wide colon"),
        ("agents:\n  a:\n    command\uff1a [x]", "is a wide colon"),
        ("agents:\n  a:\n    command: [x]\n    timeout = 60", "write `key: value`"),
        ("agents:\n  a:\n    command: [x]\n    // timeout", "a comment begins with #"),
        (
            "agents:\n<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> x",
            "2:1: <<<<<<< is the mark of a merge",
        ),
        ("agents: {агент: {command: [x]}}", "of ASCII only; it has \u0430 (U+0430), cyrillic small letter a"),
        (f"agents: {{{'n' * 300}: {{command: [x]}}}}", "has at most 100 characters; this one has 300"),
        ("agents: {-a: {command: [x]}}", "and begins with a letter or digit"),
        ("agents: {a b: {command: [x]}}", "it has a space"),
    ],
)
def test_what_people_really_write_gets_a_hint(text: str, says: str) -> None:
    (told,) = all_faults(text)[:1]
    said = re.sub(r"(?<=not YAML: )[^;]*(?=; )", "{0}", told)
    assert said.startswith(says) if says[0].isdigit() else says in said, told


def test_windows_line_ends_change_no_place() -> None:
    assert one("agents:\r\n  a:\r\n    command: [x]\r\n").command == ("x",)
    assert all_faults("agents:\r\n  a:\r\n    command: 5\r\n")[0].startswith("3:14: ")


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"k{number}: 1\n" for number in range(3000)),
        "agents:\n" + "".join(f"  a{number}: 1\n" for number in range(3000)),
        "agents: {a: {" + ", ".join(f"k{number}: 1" for number in range(3000)) + "}}",
        "agents:\n" + "".join(f"  a{number}: {{x: 1, y: 2}}\n" for number in range(1000)),
    ],
)
def test_nobody_looks_for_faults_for_ever(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        document.read(text, FILE, "agents.yaml")
    assert MOST <= len(caught.value.faults) <= MOST + 2


@pytest.mark.parametrize("text", ["agents: {a: {}}", "agents: {a: {}, b: {x: 1}}", "agents: [", "- a"])
def test_what_was_read_of_a_broken_file_is_gone_with_its_error(text: str) -> None:
    """Not with the next collection: whoever may name files could send many large ones."""

    def trees() -> int:
        return sum(isinstance(held, Node) for held in gc.get_objects())

    gc.collect()
    before = trees()
    gc.disable()
    try:
        with suppress(ConfigError):
            document.read(text, FILE, "agents.yaml")
        assert trees() == before
    finally:
        gc.enable()
