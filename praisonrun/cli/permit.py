"""May an agent use a tool? A person is asked, as by `praisonrun ask`; all that is no yes is a no."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..core.errors import PraisonrunError
from ..core.json import Json
from ..core.question import ask_of
from .ask import reply_to
from .permit_text import Choice, choices, question

ALLOW, DENY = "allow", "deny"
"""What may be answered."""
CHOOSE = "AskUserQuestion"
"""Claude Code's tool by which its model asks a person. It takes the answers with what it is called with."""


class Decision(NamedTuple):
    """What became of a question."""

    allowed: bool
    why: str = ""
    """What the agent is told where it is not allowed."""
    changed: Mapping[str, Json] | None = None
    """What the tool is to be called with in place of what the agent gave."""


TOO_LATE = Decision(False, "Nobody allowed it in time.")


def decide(tool: str, given: Mapping[str, Json], timeout: float) -> Decision:
    """Ask whether a tool may be called with what is given, and wait some seconds for each answer."""
    try:
        if tool == CHOOSE and (asked := choices(given)):
            return _chosen(given, asked, timeout)
        answer = _answer(question(tool, given), (ALLOW, DENY), "permission", timeout)
    except (PraisonrunError, ValueError, OSError) as fault:
        return Decision(False, f"Nobody could be asked: {fault}")
    if answer == DENY:
        return Decision(False, "A person denied it.")
    return Decision(True) if answer == ALLOW else TOO_LATE


def _chosen(given: Mapping[str, Json], asked: Sequence[Choice], timeout: float) -> Decision:
    answers: dict[str, Json] = {}
    for each in asked:
        answer = _answer(each.text, each.options, "question", timeout)
        if answer is None:
            return Decision(False, "Nobody answered in time.")
        answers[each.question] = answer
    return Decision(True, changed={**given, "answers": answers})


def _answer(text: str, options: Sequence[str], kind: str, timeout: float) -> str | None:
    """Return what a person answers; None where nobody does. Raises ConfigError, BadAsk, OSError."""
    ask_id = uuid.uuid4().hex[:16]
    given: dict[str, Any] = {"id": ask_id, "question": text, "options": options or None, "kind": kind}
    reply = reply_to(ask_of({**given, "timeout": timeout})) or {}
    return reply.get("answer")
