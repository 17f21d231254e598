"""Gemini CLI's `-o stream-json`. `result.status` alone says how it ended: its exit code does not.

The answer is what it said last, which comes in pieces. What the user said is no answer.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_USAGE = {
    "stats.input_tokens": "input_tokens",
    "stats.output_tokens": "output_tokens",
    "stats.cached": "cached_input_tokens",
}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("type"):
        case "init":
            return said.session(found.get("session_id"))
        case "message" if found.get("role") == "assistant":
            text = found.get("content")
            return said.piece(text) if found.get("delta") is True else said.message(text)
        case "tool_use":
            return said.call(found.get("tool_name"), found.get("tool_id"), found.get("parameters"))
        case "tool_result":
            bad = found.get("status") != "success"
            given = found.get("output") or said.at(found, "error", "message") or ""
            return said.output(found.get("tool_id"), given, failed=bad)
        case "error":
            return said.retry(said.text_at(found, "message"))
        case "result":
            good = found.get("status") == "success"
            verdict = said.answered(success=True) if good else said.failed(said.at(found, "error", "message"))
            return verdict + said.used(found, _USAGE)
    return []


parse = said.by_object(_events)
