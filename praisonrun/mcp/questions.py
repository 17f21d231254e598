"""What a run asks, for a model to read: praisonrun's own facts, and the agent's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core.errors import Invalid, WrongState
from . import words

NEXT = "it waits for a person: ask yours, give the answer with the tool answer, then call wait_run again"
"""What a model does about a question."""
QUESTIONS = 5
"""Open questions that are told with their text."""


def still_open(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a run asks now, the oldest first."""
    return [each for each in run.get("questions") or () if each["state"] == "open"]


def asked_by(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the questions that a run asks now in its agent's words, each with what may be answered."""
    return [
        (f"question {words.one_line(each['id'])}", _question(each)) for each in still_open(run)[:QUESTIONS]
    ]


def _question(each: Mapping[str, Any]) -> str:
    told = [words.first(each["question"], 2000)]
    if each["options"]:
        told.append("options: " + words.one_line(json.dumps(each["options"], ensure_ascii=False), 1000))
    if each["default"] is not None:
        told.append("if nobody answers: " + words.one_line(each["default"]))
    return "\n".join(told)


def only_one(run: Mapping[str, Any]) -> str:
    """Return the id of the one question that a run asks. Raises WrongState for none, Invalid for several."""
    asked = still_open(run)
    if not asked:
        raise WrongState("the run asks nothing now")
    if len(asked) > 1:
        raise Invalid("the run asks several questions; name one by question_id, as get_run shows them")
    return str(asked[0]["id"])
