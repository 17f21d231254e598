"""What the parsers of agents' streams share: safe looks into a stranger's JSON, and events in our words.

Each function returns a list, which is empty where there is nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ...core.json import Json
from ..events import ParsedEvent, log, numbers, parse_object

PART_LIMIT = 16 * 1024
"""Characters of a tool call's input or output in an event. The log has all of it."""
STEP_LIMIT = 300
"""Characters of what an agent says of a retry."""
TOKENS = 10**15
"""More than any agent uses: a sum of them is a number, too."""
_READ = ("input_tokens", "cached_input_tokens", "cache_write_tokens")


def by_object(of: Callable[[dict[str, Json]], list[ParsedEvent]]) -> Callable[[str], list[ParsedEvent]]:
    """Return the parser of a stream of JSON objects, a line each; any other line is a log line."""

    def parse(line: str) -> list[ParsedEvent]:
        found = parse_object(line) if "{" in line else None
        return [log("stdout", line)] if found is None else of(found)

    return parse


def at(value: Json, *keys: str) -> Json:
    """Return what stands at a path of keys; None if there is no such path."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text_at(value: Json, *keys: str) -> str:
    """Return the text at a path of keys; "" for anything else."""
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def objects(value: Json) -> list[dict[str, Json]]:
    """Return the objects in a list; [] for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def words(content: Json) -> str:
    """Return the text of a message's content: a text, or a list of blocks of type text."""
    if isinstance(content, str):
        return content
    return "".join(text_at(block, "text") for block in objects(content) if block.get("type") == "text")


def piece(text: Json) -> list[ParsedEvent]:
    """Return the event of a piece of a message."""
    return [("message", {"text": text, "delta": True})] if isinstance(text, str) and text else []


def message(text: Json, *, repeats: bool = False) -> list[ParsedEvent]:
    """Return the event of a whole message; one that `repeats` usually came in pieces before."""
    if not isinstance(text, str) or not text.strip():
        return []
    return [("message", {"text": text, **({"repeats": True} if repeats else {})})]


def call(name: Json, number: Json, given: Json) -> list[ParsedEvent]:
    """Return the event of a tool that is called: its name, the call's id, its input."""
    return [("tool_call", {"name": _word(name) or "tool", **_id(number), "input": _part(given)})]


def output(number: Json, given: Json, *, failed: bool, name: Json = None) -> list[ParsedEvent]:
    """Return the event of what a tool gave back."""
    named = {"name": _word(name)} if name else {}
    status = "failed" if failed else "completed"
    return [("tool_call", {**named, **_id(number), "output": _part(given), "status": status})]


def used(
    value: Json, names: Mapping[str, str], *, delta: bool = False, apart: bool = False
) -> list[ParsedEvent]:
    """Return the usage that an object states: `names` maps its paths, with dots, to our names.

    With `delta` it is what one step used, to be added to the steps before. Our input has cached tokens in
    it; with `apart` the agent counts them beside its own.
    """
    found = numbers({ours: at(value, *path.split(".")) for path, ours in names.items()})
    if apart and "input_tokens" in found:
        found["input_tokens"] = sum(max(0, min(found.get(name, 0), TOKENS)) for name in _READ)
    return [("usage", {**found, **({"delta": True} if delta else {})})] if any(found.values()) else []


def retry(why: str, attempt: Json = None, most: Json = None) -> list[ParsedEvent]:
    """Return the progress of an agent that tries to reach its model again."""
    which = f"attempt {attempt}" if isinstance(attempt, int) else ""
    which += f" of {most}" if which and isinstance(most, int) else ""
    step = ", ".join(part for part in (which, " ".join(why.split())[:STEP_LIMIT]) if part)
    return [("progress", {"step": step, "retry": True})] if step else []


def session(name: Json) -> list[ParsedEvent]:
    """Return the event that says what an agent calls its conversation."""
    return [("session", {"id": name})] if isinstance(name, str) and 0 < len(name) <= 200 else []


def answered(**answer: Json) -> list[ParsedEvent]:
    """Return the result of an agent that ended: its `result`, unless that is its last message.

    `success=True` says that its exit code says no more.
    """
    return [("result", answer)]


def failed(error: Json) -> list[ParsedEvent]:
    """Return the result of an agent that says that it failed, and perhaps why."""
    why = error if isinstance(error, str) or not error else json.dumps(error)
    return [("result", {"error": why or "the agent reported an error"})]


def _id(number: Json) -> dict[str, Json]:
    return {"id": number[:PART_LIMIT]} if isinstance(number, str) and number else {}


def _word(name: Json) -> str:
    return name[:100] if isinstance(name, str) else ""


def _part(given: Json) -> Json:
    """Return a tool's input or output, as text where it is too long."""
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    if len(text) <= PART_LIMIT:
        return given
    return f"{text[:PART_LIMIT]} … {len(text) - PART_LIMIT} characters omitted"
