"""OpenHands' `--headless --json`: events among lines of text. The last message of the agent is the answer.

Its session is in a line of text near the end.
"""

from __future__ import annotations

import re

from ...core.json import Json
from ..events import ParsedEvent
from . import said

_SESSION = re.compile(r"Conversation ID: ([0-9a-fA-F-]{8,64})\b")


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    by_agent = found.get("source") == "agent"
    number, name = found.get("tool_call_id"), found.get("tool_name")
    match found.get("kind"):
        case "MessageEvent" if by_agent:
            return _answer(said.words(said.at(found, "llm_message", "content")))
        case "ActionEvent" if said.at(found, "action", "kind") == "FinishAction":
            return _answer(said.text_at(found, "action", "message"))
        case "ActionEvent":
            return said.call(name, number, found.get("action"))
        case "ObservationEvent":
            given = found.get("observation")
            text = said.words(said.at(given, "content")) or given
            return said.output(number, text, failed=said.at(given, "is_error") is True, name=name)
        case "AgentErrorEvent":
            return said.output(number, found.get("error"), failed=True, name=name)
        case "ConversationErrorEvent":
            return said.failed(found.get("detail") or found.get("code"))
    return []


def _answer(text: str) -> list[ParsedEvent]:
    return (said.answered(result=text) if text.strip() else []) + said.message(text)


_objects = said.by_object(_events)


def parse(line: str) -> list[ParsedEvent]:
    """Return the events of a line."""
    found = None if "{" in line else _SESSION.search(line[:500])
    return _objects(line) + (said.session(found[1]) if found else [])
