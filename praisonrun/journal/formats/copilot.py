"""Copilot CLI's `--output-format json`. It prints a result with exitCode 0 also when it is killed.

So a good result leaves the word to the real exit code. The answer is its last message. A third of its lines
say nothing.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_USAGE = {"usage.premiumRequests": "premium_requests", "usage.totalApiDurationMs": "api_milliseconds"}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    data = found.get("data")
    kind = found.get("type")
    match kind:
        case "assistant.message_delta":
            return said.piece(said.at(data, "deltaContent"))
        case "assistant.message":
            return said.message(said.at(data, "content"), repeats=True)
        case "tool.execution_start" | "tool.execution_complete":
            return _tool(kind, data)
        case "model.call_failure":
            tries = said.at(data, "retryAttempt")
            number = tries + 1 if isinstance(tries, int) else None
            return said.retry(str(said.at(data, "statusCode") or "no answer"), number)
        case "session.error":
            return said.retry(said.text_at(data, "message"))
        case "result":
            return _result(found)
    return []


def _tool(kind: str, data: Json) -> list[ParsedEvent]:
    number, name = said.at(data, "toolCallId"), said.at(data, "toolName")
    if kind == "tool.execution_start":
        return said.call(name, number, said.at(data, "arguments"))
    given = said.at(data, "result", "content") or said.at(data, "error", "message") or ""
    return said.output(number, given, failed=said.at(data, "success") is not True, name=name)


def _result(found: dict[str, Json]) -> list[ParsedEvent]:
    code = found.get("exitCode")
    verdict = said.answered() if code in (None, 0) else said.failed(f"ended with exit code {code}"[:100])
    return verdict + said.session(found.get("sessionId")) + said.used(found, _USAGE)


parse = said.by_object(_events)
