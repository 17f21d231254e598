"""pi's `--mode json`. Its exit code is always 0: the last assistant message says how it ended.

`agent_end` comes once for each try, so that it says nothing. Each line of a message repeats all of it so far.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_USAGE = {
    "usage.input": "input_tokens",
    "usage.output": "output_tokens",
    "usage.cacheRead": "cached_input_tokens",
    "usage.cacheWrite": "cache_write_tokens",
    "usage.cost.total": "cost_usd",
}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    number = found.get("toolCallId")
    match found.get("type"):
        case "session":
            return said.session(found.get("id"))
        case "message_update" if said.at(found, "assistantMessageEvent", "type") == "text_delta":
            return said.piece(said.at(found, "assistantMessageEvent", "delta"))
        case "message_end" if said.at(found, "message", "role") == "assistant":
            return _message(found["message"])
        case "tool_execution_start":
            return said.call(found.get("toolName"), number, found.get("args"))
        case "tool_execution_end":
            given = said.words(said.at(found, "result", "content"))
            return said.output(number, given, failed=found.get("isError") is True, name=found.get("toolName"))
        case "auto_retry_start":
            why = said.text_at(found, "errorMessage")
            return said.retry(why, found.get("attempt"), found.get("maxAttempts"))
        case "auto_retry_end" if found.get("success") is False:
            return said.failed(found.get("finalError"))
    return []


def _message(found: dict[str, Json]) -> list[ParsedEvent]:
    text = said.words(found.get("content"))
    verdict: list[ParsedEvent] = []
    match found.get("stopReason"):
        case "stop":
            verdict = said.answered(result=text, success=True)
        case "error" | "aborted" | "length" as reason:
            verdict = said.failed(found.get("errorMessage") or f"the model stopped: {reason}")
    return verdict + said.message(text, repeats=True) + said.used(found, _USAGE, delta=True, apart=True)


parse = said.by_object(_events)
