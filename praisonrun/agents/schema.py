"""A JSON Schema of agents.yaml, for editors. It is made of the tables that the parser itself uses.

An editor sees each value and each key. The rules between keys, placeholders and programs are for `check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from ..core.agent import Agent
from ..core.model import Json
from . import crew
from .document import NAME, SHARED, TOP
from .keys import DEFAULTS, OF_RECIPES, OF_SERVICES, READERS
from .readers import Schema, text

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What the editors know."""
ENTRY: Mapping[str, str] = {
    "command": "The program and its arguments, as a list, never a shell line.",
    "use": "A recipe of a known agent, such as claude; or your own, recipes/NAME.yaml beside this file.",
    "approve": "What a recipe's agent may do: edits (change files), ask (it asks a person), or all.",
    "args": "Arguments that a recipe's command gets besides, such as [--model, opus].",
    "script": "The Python file of yours that a recipe for a framework runs: FILE, or FILE:NAME.",
    "python": "The interpreter that has the framework of `script`. Default: the file's python, else python3.",
    "mode": "run, or service for an agent that is not expected to end.",
    "prompt": "How the agent gets the prompt. Default: arg if command has {prompt}, else stdin.",
    "cwd": "Where the agent runs; caller leaves it to each submit. Default: the file's folder.",
    "worktree": "true gives each run a git worktree of its own, which is kept as a branch. Default: false.",
    "env": "Literal values of environment variables. They are never stored.",
    "env_pass": "Names of the server's variables that the agent may see; * and ? may stand in a name.",
    "env_required": "Names of variables that a submit or the server must supply.",
    "timeout": "How long one attempt may take: seconds, a duration such as 5m or 1h30m, or off.",
    "idle_timeout": "The longest time without any output or event. Default: off.",
    "grace": "The time between SIGTERM and SIGKILL.",
    "retries": "Further attempts after a failed one.",
    "backoff": "The pause before the first retry; each further one is twice as long, up to 5 minutes.",
    "concurrency": "Runs of this agent at once. Default: the server's limit.",
    "priority": "A run with a higher number starts sooner.",
    "session": "Arguments in the place of {session}: runs of a session continue a conversation. Or off.",
    "format": "How the output is read: text is the answer, jsonl JSON lines, others streams of agents.",
    "files": "false spares a run its folder: no input file, result file, events, artifacts or scratch.",
    "install": "A command that runs once before the first run of the entry as it now stands.",
    "outputs": "Paths that a run is expected to leave, below its artifacts or cwd.",
    "description": "A text, shown in lists.",
    "metadata": "Any JSON object, shown in lists of deployments.",
    "port": "Services only: a number, or auto for a free one.",
    "readiness": "Services only: how to see that the service is ready.",
    "public_url": "Services only: false hides the service's address.",
    "retain": "Whether, and for how long, a failed run's scratch directory is kept.",
}
"""What each key of an entry means."""
FILE: Mapping[str, str] = {
    "agents": "The agents, by name.",
    "default": "The agent of a submit that names none. Default: the first one.",
    "defaults": "Keys of an entry that all agents of this file get, unless they name their own.",
    "python": "The interpreter that has the crews' framework.",
}
"""What each key of the file means, beside those that an entry has, too."""


def schema() -> dict[str, Json]:
    """Return the schema of a file: of one with entries, or of a crew, which its framework checks."""
    top = {key: _described(key, _TOP) for key in FILE} | {key: _ref(key) for key in SHARED}
    entries = {"properties": {key: top[key] for key in TOP}, "required": ["agents"]}
    return {
        "$schema": DRAFT,
        "title": "agents.yaml of praisonrun",
        "type": "object",
        "if": _CREW,
        "then": {},
        "else": {**entries, "additionalProperties": False},
        "definitions": {"entry": _entry(), **{key: _key(key) for key in READERS}},
    }


def _entry() -> Schema:
    return {
        "type": "object",
        "properties": {key: _ref(key) for key in READERS},
        "anyOf": [{"required": ["command"]}, {"required": ["use"]}],
        "dependencies": {key: ["use"] for key in OF_RECIPES},
        "additionalProperties": False,
        "if": {"properties": {"mode": {"enum": ["service"]}}, "required": ["mode"]},
        "then": {"properties": {"prompt": {"enum": ["none"]}}},
        "else": {"properties": dict.fromkeys(OF_SERVICES, False)},
    }


def _key(key: str) -> Schema:
    default, told = _BY_DEFAULT.get(key), ENTRY[key]
    plain = isinstance(default, str | int | float) and default != "" and "Default:" not in told
    return {"description": told, **READERS[key].schema, **({"default": default} if plain else {})}


def _described(key: str, schemas: Mapping[str, Schema]) -> Schema:
    return {"description": FILE[key], **schemas[key]}


def _ref(key: str) -> Schema:
    return {"$ref": f"#/definitions/{key}"}


def _has(keys: Iterable[str]) -> Schema:
    return {"type": "object", "anyOf": [{"required": [key]} for key in sorted(keys)]}


def _some(found: Schema) -> Schema:
    """Return the schema of a list or mapping in which something is as another schema says."""
    return {
        "anyOf": [
            {"type": "array", "contains": found},
            {"type": "object", "not": {"additionalProperties": {"not": found}}},
        ]
    }


_BY_DEFAULT = {each.name: each.default for each in fields(Agent)}
_TOP: Mapping[str, Schema] = {
    "agents": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": _ref("entry"),
    },
    "default": text.schema,
    "defaults": {
        "type": "object",
        "properties": {key: _ref(key) for key in DEFAULTS},
        "additionalProperties": False,
    },
    "python": text.schema,
}
_MEMBERS = {"allOf": [_some(_has(crew.ROLE_KEYS)), {"not": _some(_has(crew.ENTRY_KEYS))}]}
_CREW: Schema = {
    "anyOf": [{"required": ["roles"]}, {"required": ["agents"], "properties": {"agents": _MEMBERS}}]
}
"""What `crew.is_crew` says."""
