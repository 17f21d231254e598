"""JSON lines: one object per line with a `type`; any other line is a log line.

progress {percentage, step, …} · delta {text} · message {text} · tool_call {name, input} ·
usage {input_tokens, …} · result {result | text, error?, is_error?, usage?}
"""

from __future__ import annotations

import json

from ...core.model import Json
from .events import ParsedEvent, log, parse_object, progress, typed, usage


def parse(line: str) -> list[ParsedEvent]:
    """Return the events of one line."""
    found = parse_object(line)
    if found is None or not isinstance(found.get("type"), str):
        return [log("stdout", line)]
    return _typed_events(found["type"], found) or [log("stdout", line)]


def _typed_events(kind: str, found: dict[str, Json]) -> list[ParsedEvent]:
    match kind:
        case "progress":
            return [*progress(found), *usage(found.get("usage"))]
        case "delta":
            return [typed("message", {**found, "delta": True})]
        case "message" | "tool_call":
            return [typed(kind, found)]
        case "usage":
            return usage(found.get("usage", found))
        case "result":
            return [_result(found), *usage(found.get("usage"))]
    return []


def may_answer(line: bytes) -> bool:
    """Say whether a line could be a result event: it contains the word, or an escape that may hide it."""
    return b"result" in line or b"\\u" in line


def _result(found: dict[str, Json]) -> ParsedEvent:
    answer = found.get("result", found.get("text"))
    error = found.get("error")
    if error is None and found.get("is_error") is True:
        error = answer if isinstance(answer, str) else "the agent reported an error"
    if error is None:
        return "result", {"result": answer}
    return "result", {"result": answer, "error": error if isinstance(error, str) else json.dumps(error)}
