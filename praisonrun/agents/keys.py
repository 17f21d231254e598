"""The keys of an entry of agents.yaml, and how the value of each is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.agent import Readiness, Retain, Session
from ..core.model import Mode
from ..journal.formats import FORMATS
from . import environment, placeholders, reading
from .nodes import Node
from .readers import (
    Reader,
    boolean,
    json_mapping,
    keyed,
    one_of,
    output,
    pattern,
    reads,
    seconds,
    text,
    texts,
    whole,
)

YEAR = 366 * 24 * 3600.0
OF_SERVICES = ("port", "readiness", "public_url")
"""Keys that have a meaning only with `mode: service`."""
OF_RECIPES = ("approve", "args", "script", "python")
"""Keys that have a meaning only with `use`."""
OF_ENTRIES = ("command", "use", "mode", "prompt", "description", "session", *OF_RECIPES, *OF_SERVICES)
"""Keys that say what an entry is, and cannot be shared."""
_MODE = one_of("run", "service")
_APPROVE = one_of("edits", "ask", "all")
_NUMBER = whole(1, 65535)
_SPAN = seconds(1, YEAR)
_READINESS: Mapping[str, Reader[Any]] = {
    "type": one_of("http", "tcp", "timeout"),
    "path": text,
    "timeout_seconds": seconds(0.1, 3600),
}
_WORD = {"type": ["string", "number"]}


@reads(_WORD)
def _word(node: Node, key: str) -> str:
    """Return an argument; a number stands as it is written."""
    return node.text if node.tag in ("int", "float") else text(node, key)


@reads({"type": "array", "minItems": 1, "items": [{**_WORD, "minLength": 1}], "additionalItems": _WORD})
def argv(node: Node, key: str) -> tuple[str, ...]:
    """Return a program and its arguments; numbers stand as they are written."""
    if isinstance(node.value, str):
        raise node.fault(
            f"`{key}` must be a list, never a shell line: [program, argument]; for a shell [sh, -c, '…']"
        )
    listed = reading.items(node, key, "a list: [program, argument]")
    found = reading.all_of(listed, lambda item: _word(item, key))
    if not found or not found[0]:
        raise node.fault(f"`{key}` must begin with a program")
    return found


@reads(_MODE.schema)
def _mode(node: Node, key: str) -> Mode:
    return Mode(_MODE(node, key))


@reads({"anyOf": [{"enum": ["auto"]}, _NUMBER.schema]})
def _port(node: Node, key: str) -> int:
    if node.tag == "str":
        if node.text == "auto":
            return 0
        raise node.fault(f"`{key}` must be a number from 1 to 65535 or auto, not {node.kind}")
    return _NUMBER(node, key)


@reads(keyed(_READINESS))
def _readiness(node: Node, key: str) -> Readiness:
    values = reading.values(node, _READINESS, f"`{key}`", f"{key}.")
    if not values.get("path", "/").startswith("/"):
        raise reading.mapping(node, key)["path"].fault(f"`{key}.path` must begin with /")
    if "path" in values and values.get("type") != "http":
        raise node.keys["path"].fault(f"`{key}.path` has a meaning only with `type: http`")
    return Readiness(**values)


@reads({**_SPAN.schema, "type": ["integer", "string"]})
def _whole_seconds(node: Node, key: str) -> int:
    value = _SPAN(node, key)
    if value is None or value % 1:
        raise node.fault(f"`{key}` must be a whole number of seconds, not {node.text[:40]}")
    return int(value)


_RETAIN: Mapping[str, Reader[Any]] = {"on_failure": boolean, "seconds": _whole_seconds}


@reads(keyed(_RETAIN))
def _retain(node: Node, key: str) -> Retain:
    return Retain(**reading.values(node, _RETAIN, f"`{key}`", f"{key}."))


def _form(name: str) -> Reader[str]:
    """Return a reader of an argument that may be, or as an option's value have, one placeholder."""

    @reads(_WORD)
    def read(node: Node, key: str) -> str:
        element = _word(node, key)
        found = placeholders.split(element)
        inside = placeholders.misplaced(element)
        if inside or (found and found[1] != name):
            given = inside or f"{{{(found or ('', ''))[1]}}}"
            meant = f"it may have {{{name}}}, as an argument or an option's value"
            raise node.fault(f"{given} has no meaning in `{key}`; {meant}")
        return element

    return read


_FORMS: Mapping[str, Reader[Any]] = {
    "first": texts(_form("session_uuid")),
    "later": texts(_form("agent_session")),
    "unknown": pattern,
}


_ONE = {"anyOf": [{"required": ["first"]}, {"required": ["later"]}]}


@reads({"anyOf": [{"enum": ["off"]}, {**keyed(_FORMS), **_ONE}]})
def _session(node: Node, key: str) -> Session | None:
    """Return how an agent is told of its conversation; None for `off`."""
    if node.value is False and node.text.lower() == "off":
        return None
    found = Session(**reading.values(node, _FORMS, f"`{key}`", f"{key}."))
    if found.later and not placeholders.prefixes(found.later, "agent_session"):
        raise reading.mapping(node, key)["later"].fault(f'`{key}.later` needs "{{agent_session}}"; add it')
    if not found.later and not placeholders.prefixes(found.first, "session_uuid"):
        why = f'`{key}` needs `later` with "{{agent_session}}", or "{{session_uuid}}" in `first`; add one'
        raise node.fault(why)
    return found


READERS: Mapping[str, Reader[Any]] = {
    "command": argv,
    "use": text,
    "approve": _APPROVE,
    "args": texts(_word),
    "script": text,
    "python": text,
    "mode": _mode,
    "prompt": one_of("stdin", "arg", "none"),
    "cwd": text,
    "worktree": boolean,
    "env": environment.values,
    "env_pass": texts(environment.glob),
    "env_required": texts(environment.name),
    "timeout": seconds(0.1, YEAR, off=True),
    "idle_timeout": seconds(0.1, YEAR, off=True),
    "grace": seconds(0, 3600),
    "retries": whole(0, 1000),
    "backoff": seconds(0, 24 * 3600),
    "concurrency": whole(1, 10_000),
    "priority": whole(-1_000_000, 1_000_000),
    "session": _session,
    "format": one_of(*sorted(FORMATS)),
    "files": boolean,
    "install": argv,
    "outputs": texts(output),
    "description": text,
    "metadata": json_mapping,
    "port": _port,
    "readiness": _readiness,
    "public_url": boolean,
    "retain": _retain,
}
"""Every key of an entry, in the words of core.agent, and how its value is read."""


DEFAULTS: Mapping[str, Reader[Any]] = {
    key: reader for key, reader in READERS.items() if key not in OF_ENTRIES
}
"""The keys that many entries may share."""
