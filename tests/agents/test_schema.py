"""The JSON Schema of agents.yaml takes what the parser takes, and rejects what it rejects, value by value."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest

from praisonrun.agents import document, schema
from praisonrun.agents.keys import READERS
from praisonrun.agents.nodes import Node
from praisonrun.agents.yamltext import parse
from praisonrun.core.errors import ConfigError
from praisonrun.core.model import Json

from ..rigs import pages
from ..rigs.places import ROOT
from .test_entry import FILE

SCHEMA = schema.schema()
VALID = jsonschema.Draft7Validator(SCHEMA)
BODY = "command: [x]"
TALKS = "command: [x, '{session}']"
RECIPES = {
    "approve": "use: claude",
    "args": "use: claude",
    "script": "use: agno",
    "python": "use: agno, script: x",
}
VALUES = {
    "command": ("[x] | [sleep, 5, 1.5] | ['{python}', '']", "x | [] | [''] | [[x]] | {a: b} | [x, null] | 5"),
    "use": ("claude", "5 | [x]"),
    "approve": ("edits | ask | all", "some | none | true"),
    "args": ("[-m, x, 5] | []", "-m | [[x]] | [null]"),
    "script": ("agent.py", "5 | [x]"),
    "python": ("python3 | .venv/bin/python", "5 | [x]"),
    "mode": ("run | service", "servce | 5 | []"),
    "prompt": ("stdin | none", "file | 1"),
    "worktree": ("true | false", "1 | always"),
    "cwd": ("caller | /srv | ~/src", "5 | [x] | true"),
    "env": ("{A: b} | {}", "{A-B: c} | {A: 5} | [A] | {PRAISONRUN_A: b} | A | {A: null}"),
    "env_pass": ("[A_*, B] | []", "A | [a b] | [PRAISONRUN_TOKEN] | [5]"),
    "env_required": ("[A]", "[A*] | [5] | A | {A: b}"),
    "timeout": ("1 | 1.5 | 5m | 1h30m | off | 90s", "0 | 5M | 5 min | '90' | -1 | [] | 31622401 | '' | null"),
    "idle_timeout": ("30 | off", "0 | never"),
    "grace": ("0 | 1.5s", "off | 3601 | -1"),
    "retries": ("0 | 1000", "-1 | 1001 | 1.5 | '2'"),
    "backoff": ("0 | 1m", "off | 86401"),
    "concurrency": ("1", "0 | 10001 | x"),
    "priority": ("-4 | 1000000", "1.5 | 1000001"),
    "format": ("text | jsonl", "json | 1"),
    "files": ("true | false", "1 | 'true' | maybe"),
    "install": ("[pip, install, 5]", "pip | []"),
    "outputs": ("[a/b.txt] | ['..a'] | [a..b]", "[/a] | [~/a] | [a/../b] | [..] | ['']"),
    "description": ("x | '5' | ''", "5 | [x]"),
    "metadata": ("{a: {b: [1, x, null]}}", "[x] | x"),
    "port": ("auto | 1 | 65535", "0 | 65536 | x | 1.5"),
    "readiness": (
        "{type: http, path: /, timeout_seconds: 5} | {type: tcp}",
        "{type: no} | tcp | {typ: tcp} | {timeout_seconds: 0}",
    ),
    "public_url": ("false", "5"),
    "session": (
        "{first: [-n], later: ['{agent_session}'], unknown: 'n'} | off | {first: ['{session_uuid}']}",
        "on | true | x | {} | {unknown: x} | {first: x} | {later: [[x]]} | {first: [x], unknown: 5}",
    ),
    "retain": ("{on_failure: true, seconds: 60} | {seconds: 1h}", "{seconds: 1.5} | true | {second: 1}"),
}
"""What each key of an entry may have, and what not."""
FILES = {
    True: [
        "agents: {a: {command: [x]}}\ndefault: a\nenv: {A: b}\nenv_pass: [B]\npython: python3",
        "defaults: {timeout: 5m, env: {A: b}}\nagents: {a: {command: [x]}, defaults: {command: [y]}}",
        "agents: {a: {use: claude, session: off}, b: {use: codex, approve: all, args: [-m, x], timeout: 5m}}",
        "roles: {a: {role: x}}\nframework: crewai\nanything: [1]",
        "agents: {writer: {role: x, command_line: 5}}",
        "agents: [{name: a, role: x}]",
        "agents: {a: {command: [x]}, b: {mode: service, command: [x], port: 5, prompt: none}}",
        *(block.text for page in pages.PAGES for block in pages.blocks(page, "yaml")),
        (ROOT / "agents.yaml").read_text(),
    ],
    False: [
        "agents: {}", "agents: []", "agents: {a b: {command: [x]}}", "agents: {a: [x]}", "agents: {a: {}}",
        "x: 1", "[x]", "agents: {a: {command: [x]}}\nagnets: 1", "default: 5\nagents: {a: {command: [x]}}",
        "agents: {a: {comand: [x]}}", "agents: {a: {command: [x], port: 5}}",
        "agents: {a: {command: [x], readiness: {type: tcp}}}", "agents: {a: {command: [x], public_url: no}}",
        "agents: {a: {mode: service, command: [x], prompt: stdin}}", "agents: {a: {command: [x], role: x}}",
        "defaults: {command: [x]}\nagents: {a: {command: [x]}}", "env: [A]\nagents: {a: {command: [x]}}",
        "defaults: {timeout: 5M}\nagents: {a: {command: [x]}}", "agents: {a: {use: 5}}",
        "agents: {a: {command: [x], approve: all}}",
        "defaults: {session: off}\nagents: {a: {command: [x]}}",
    ],
}  # fmt: skip
"""Whole files, good and bad."""


def as_editors_read(node: Node | None) -> Json:
    """Return the value of a node as YAML 1.2 has it, where only true and false are no texts."""
    if node is None:
        return None
    if node.pairs is not None:
        return {name: as_editors_read(value) for name, value in node.pairs.items()}
    if node.items is not None:
        return [as_editors_read(item) for item in node.items]
    return node.text if node.tag == "bool" and node.text not in ("true", "false") else node.value


def verdicts(text: str) -> tuple[bool, bool]:
    """Return whether the parser takes a file, and whether the schema does."""
    try:
        document.read(text, FILE, "agents.yaml")
        parsed = True
    except ConfigError:
        parsed = False
    return parsed, VALID.is_valid(as_editors_read(parse(text, "agents.yaml")))


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("key", list(VALUES))
def test_schema_and_parser_agree_about_the_values_of_a_key(key: str, good: bool) -> None:
    for value in VALUES[key][not good].split(" | "):
        body = TALKS if key == "session" and value != "off" else RECIPES.get(key, BODY)
        more = "" if key == "command" else f", {body}"
        service = ", mode: service" if key in ("port", "readiness", "public_url") else ""
        service += ", port: auto" if key == "readiness" else ""
        text = f"agents: {{a: {{{key}: {value}{more}{service}}}}}"
        assert verdicts(text) == (good, good), text


@pytest.mark.parametrize(("good", "text"), [(good, text) for good in FILES for text in FILES[good]])
def test_schema_and_parser_agree_about_files(good: bool, text: str) -> None:
    assert verdicts(text) == (good, good)


def test_the_schema_is_one_and_knows_every_key() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert set(schema.ENTRY) == set(READERS) == set(VALUES)
    assert SCHEMA["definitions"]["timeout"]["default"] == 3600.0
    assert set(SCHEMA["else"]["properties"]) == set(document.TOP)
