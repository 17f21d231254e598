"""Cline's `--json`: `run_result.finishReason` says how it ended."""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_SO_FAR = {
    "totalInputTokens": "input_tokens",
    "totalOutputTokens": "output_tokens",
    "totalCost": "cost_usd",
}
_USAGE = {
    "usage.inputTokens": "input_tokens",
    "usage.outputTokens": "output_tokens",
    "usage.cacheReadTokens": "cached_input_tokens",
    "usage.cacheWriteTokens": "cache_write_tokens",
    "usage.totalCost": "cost_usd",
}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("type"):
        case "agent_event":
            event = found.get("event")
            return _event(event) if isinstance(event, dict) else []
        case "run_result":
            text, reason = found.get("text"), found.get("finishReason")
            good = reason == "completed"
            verdict = said.answered(result=text, success=True) if good else said.failed(text or reason)
            return verdict + said.used(found, _USAGE)
        case "error":
            return said.failed(found.get("message"))
    return []


def _event(event: dict[str, Json]) -> list[ParsedEvent]:
    number, name = event.get("toolCallId"), event.get("toolName")
    match event.get("type"), event.get("contentType"):
        case "content_start", "text":
            return said.piece(event.get("text"))
        case "content_end", "text":
            return said.message(event.get("text"), repeats=True)
        case "content_start", "tool":
            return said.call(name, number, event.get("input"))
        case "content_end", "tool":
            given = event.get("output")
            bad = bool(event.get("error")) or any(one.get("success") is False for one in said.objects(given))
            return said.output(number, given or event.get("error") or "", failed=bad, name=name)
        case "usage", _:
            return said.used(event, _SO_FAR)
        case "error", _:
            return said.retry(said.text_at(event, "error", "message"))
    return []


parse = said.by_object(_events)
