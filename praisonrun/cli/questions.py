"""What runs ask, in words, and the commands that answer it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from .ids import short
from .text import BETWEEN, one_line


def open_questions(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a run asks now, the oldest first; an older server knows no questions."""
    return [each for each in run.get("questions") or () if each.get("state", "open") == "open"]


def answered(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a run's other questions."""
    return [each for each in run.get("questions") or () if each.get("state", "open") != "open"]


def became(question: Mapping[str, Any]) -> str:
    """Return what became of a question: `Deploy?: yes`, `Deploy?: expired, no`."""
    state, answer = question["state"], question["answer"]
    told = [] if state == "answered" else [state]
    told += ["denied"] if state == "expired" and answer is None else [answer] if answer is not None else []
    return f"{one_line(question['question'])}: {', '.join(map(one_line, told))}"


def asked(question: Mapping[str, Any]) -> str:
    """Return a question with what may be answered: `Deploy? (yes/no, else no)`."""
    options, default = "/".join(question.get("options") or ()), question.get("default")
    hints = [options, f"else {default}" if default is not None else ""]
    told = ", ".join(hint for hint in hints if hint)
    text = one_line(question["question"])
    return f"{text} ({one_line(told)})" if told else text


def how(run_id: str, question: Mapping[str, Any]) -> str:
    """Return the commands that answer a question."""
    answers = [shlex.quote(each) for each in question.get("options") or () if each.isprintable()]
    answers = answers or ["ANSWER"]
    return "praisonrun " + BETWEEN.join(f"answer {short(run_id)} {question['id']} {each}" for each in answers)
