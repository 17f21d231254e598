"""Mistral Vibe's `--output streaming`: entries, each when it is done. Its exit code says how it ended.

A message that was committed is an answer, the last one is the run's.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("type"), found.get("role"):
        case "message", "user":
            return said.session(found.get("sessionId"))
        case "message", "assistant":
            text = said.words(found.get("content"))
            committed = said.at(found, "outcome", "type") == "committed"
            return said.message(text) + (said.answered(result=text) if committed else [])
        case "effect", _:
            return _tool(found)
    return []


def _tool(found: dict[str, Json]) -> list[ParsedEvent]:
    number, state = found.get("id"), found.get("state")
    name = said.text_at(found, "detail", "toolName") or found.get("title")
    given = said.text_at(state, "outputText") or said.text_at(state, "reason")
    done = said.output(number, given, failed=said.at(state, "status") != "completed")
    return said.call(name, number, said.at(found, "detail", "input")) + done


parse = said.by_object(_events)
