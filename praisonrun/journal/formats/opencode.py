"""OpenCode's `run --format json`, which Kilo Code writes, too. There is no last event.

A step that finished with the reason stop ends the work; its exit code says the rest. A tool is told of when
it is done.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_USAGE = {
    "tokens.input": "input_tokens",
    "tokens.output": "output_tokens",
    "tokens.cache.read": "cached_input_tokens",
    "tokens.cache.write": "cache_write_tokens",
    "tokens.reasoning": "reasoning_tokens",
    "cost": "cost_usd",
}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    part = found.get("part")
    match found.get("type"):
        case "step_start":
            return said.session(found.get("sessionID"))
        case "text":
            return said.message(said.at(part, "text"))
        case "tool_use" if isinstance(part, dict):
            return _tool(part)
        case "step_finish":
            return _finished(said.at(part, "reason")) + said.used(part, _USAGE, delta=True, apart=True)
        case "error":
            error = found.get("error")
            why = said.text_at(error, "data", "message") or said.text_at(error, "name")
            return said.failed(why) + said.session(found.get("sessionID"))
    return []


def _tool(part: dict[str, Json]) -> list[ParsedEvent]:
    state, number = part.get("state"), part.get("callID")
    given = said.at(state, "output") or said.at(state, "error") or ""
    bad = said.at(state, "status") == "error" or said.at(state, "metadata", "exit") not in (None, 0)
    return said.call(part.get("tool"), number, said.at(state, "input")) + said.output(
        number, given, failed=bad
    )


def _finished(reason: Json) -> list[ParsedEvent]:
    match reason:
        case "tool-calls":
            return []
        case "length" | "content-filter" | "error":
            return said.failed(f"the model stopped: {reason}")
    return said.answered()


parse = said.by_object(_events)
