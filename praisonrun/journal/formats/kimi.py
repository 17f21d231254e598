"""Kimi Code's `--output-format stream-json`: whole messages. Its exit code says how it ended.

A message with content is an answer, the last one is the run's. Its session is told at the end only.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent, parse_json
from . import said


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("role"):
        case "assistant":
            text = said.words(found.get("content"))
            spoken = said.message(text)
            calls = [event for call in said.objects(found.get("tool_calls")) for event in _call(call)]
            return (said.answered(result=text) if spoken else []) + spoken + calls
        case "tool":
            return said.output(found.get("tool_call_id"), said.words(found.get("content")), failed=False)
        case "meta":
            return _meta(found)
    return []


def _call(call: dict[str, Json]) -> list[ParsedEvent]:
    arguments = said.text_at(call, "function", "arguments")
    read, value = parse_json(arguments)
    return said.call(said.at(call, "function", "name"), call.get("id"), value if read else arguments)


def _meta(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("type"):
        case "turn.step.retrying":
            why = str(found.get("status_code") or found.get("error_message") or "")
            return said.retry(why, found.get("next_attempt"), found.get("max_attempts"))
        case "session.resume_hint":
            return said.session(found.get("session_id"))
    return []


parse = said.by_object(_events)
