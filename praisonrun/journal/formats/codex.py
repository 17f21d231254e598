"""Codex's `exec --json`. It ends with `turn.completed` or `turn.failed`.

An item of type error is a warning, and `error` is a try to reach the model again: neither is a failure. The
answer is its last message.
"""

from __future__ import annotations

import re

from ...core.json import Json
from ..events import ParsedEvent, log
from . import said

_USAGE = {
    "usage.input_tokens": "input_tokens",
    "usage.output_tokens": "output_tokens",
    "usage.cached_input_tokens": "cached_input_tokens",
    "usage.cache_write_input_tokens": "cache_write_tokens",
    "usage.reasoning_output_tokens": "reasoning_tokens",
}
_TRY = re.compile(r"Reconnecting\.\.\. (\d{1,4})/(\d{1,4}) \((.*)\)$")
_INPUT = ("command", "changes", "query", "server", "arguments")
_OUTPUT = ("aggregated_output", "result", "error")


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    item = found.get("item")
    match found.get("type"):
        case "thread.started":
            return said.session(found.get("thread_id"))
        case "item.started" if isinstance(item, dict):
            return _begun(item)
        case "item.updated" if said.at(item, "type") == "todo_list":
            return _plan(item)
        case "item.completed" if isinstance(item, dict):
            return _over(item)
        case "error":
            return _retry(said.text_at(found, "message"))
        case "turn.completed":
            return said.answered() + said.used(found, _USAGE)
        case "turn.failed":
            return said.failed(said.at(found, "error", "message"))
    return []


def _retry(told: str) -> list[ParsedEvent]:
    found = _TRY.match(told)
    return said.retry(found[3], int(found[1]), int(found[2])) if found else said.retry(told)


def _begun(item: dict[str, Json]) -> list[ParsedEvent]:
    match item.get("type"):
        case "todo_list":
            return _plan(item)
        case "agent_message" | "reasoning" | "error":
            return []
    given = {key: item[key] for key in _INPUT if key in item}
    return said.call(item.get("tool") or item.get("type"), item.get("id"), given)


def _over(item: dict[str, Json]) -> list[ParsedEvent]:
    match item.get("type"):
        case "agent_message":
            return said.message(item.get("text"))
        case "error":
            return [log("stdout", said.text_at(item, "message") + "\n")]
        case "todo_list":
            return _plan(item)
        case "reasoning":
            return []
    given = next((item[key] for key in _OUTPUT if item.get(key)), "")
    bad = item.get("status") == "failed" or item.get("exit_code") not in (None, 0)
    return said.output(item.get("id"), given, failed=bad, name=item.get("tool") or item.get("type"))


def _plan(item: Json) -> list[ParsedEvent]:
    """Return how much is done of the list that the agent made for itself."""
    steps = said.objects(said.at(item, "items"))
    done = sum(step.get("completed") is True for step in steps)
    return [("progress", {"steps_completed": done, "steps_total": len(steps)})] if steps else []


parse = said.by_object(_events)
