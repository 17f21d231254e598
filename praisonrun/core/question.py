"""A question that an agent asks while it runs, and its limits. Standard library only: agents import this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from .json import Json

ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
TEXT = 8 * 1024
"""Bytes of a question, and of an answer."""
OPTIONS, OPTION = 16, 256
"""Options of a question, and bytes of each."""
OPEN = 32
"""Questions of one run that may be open at once."""
TIMEOUT = 600.0
"""Seconds that an answer is waited for, if the question does not say it."""
SHORTEST, LONGEST = 1.0, 7 * 86_400.0
KINDS = ("question", "permission")
_KEYS = frozenset({"id", "question", "options", "default", "timeout", "kind"})


class QuestionState(StrEnum):
    """What became of a question."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    """Nobody answered in time, or it was beyond a limit: its default, if it has one, is the answer."""
    VOID = "void"
    """Its attempt ended first."""


class Ask(NamedTuple):
    """What an agent asks."""

    id: str
    question: str
    options: tuple[str, ...] = ()
    """What may be answered; any text if it is empty."""
    default: str | None = None
    """The answer if nobody gives one in time; without it the answer is no."""
    timeout: float = TIMEOUT
    """Seconds that an answer is waited for."""
    kind: str = "question"
    """One of KINDS."""


class Question(NamedTuple):
    """A question of a run, and what became of it. Times are microseconds since the epoch."""

    id: str
    question: str
    options: tuple[str, ...]
    default: str | None
    kind: str
    asked_at: int
    due_at: int
    state: QuestionState = QuestionState.OPEN
    answer: str | None = None
    """None while it is open, and where it is denied."""

    @property
    def reply(self) -> dict[str, Json]:
        """What its agent is told."""
        told: dict[str, Json] = {"denied": True} if self.answer is None else {"answer": self.answer}
        return {"id": self.id, **told}


class BadAsk(ValueError):
    """A question beyond a limit. Its agent can be told if it has an `id`."""

    def __init__(self, why: str, ask_id: str | None = None) -> None:
        super().__init__(why)
        self.id = ask_id


def ask_of(given: Json) -> Ask:
    """Return the question of an event's `ask`. Raises BadAsk."""
    if not isinstance(given, dict):
        raise BadAsk("ask must be an object with id and question")
    ask_id = given.get("id")
    if not isinstance(ask_id, str) or not ID.fullmatch(ask_id):
        raise BadAsk("id must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    try:
        return _checked(ask_id, given)
    except ValueError as fault:
        raise BadAsk(str(fault), ask_id) from None


def _checked(ask_id: str, given: Mapping[str, Json]) -> Ask:
    if unknown := sorted(given.keys() - _KEYS):
        raise ValueError(f"unknown key {unknown[0][:40]!r}; there are {', '.join(sorted(_KEYS))}")
    question = _text(given.get("question"), "question", TEXT)
    if not question.strip():
        raise ValueError("question must not be empty")
    options = _options(given.get("options"))
    default = given.get("default")
    if default is not None:
        default = _text(default, "default", TEXT)
        if options and default not in options:
            raise ValueError("default must be one of the options")
    timeout, kind = given.get("timeout"), given.get("kind", KINDS[0])
    timeout = TIMEOUT if timeout is None else timeout
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ValueError("timeout must be a number of seconds")
    if not SHORTEST <= timeout <= LONGEST:
        raise ValueError("timeout must be from 1 second to 7 days (604800)")
    if kind not in KINDS:
        raise ValueError(f"kind must be {' or '.join(KINDS)}")
    return Ask(ask_id, question, options, default, float(timeout), kind)


def _options(given: Json) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str) or not 1 <= len(given) <= OPTIONS:
        raise ValueError(f"options must be a list of 1 to {OPTIONS} texts")
    options = tuple(_text(option, "an option", OPTION) for option in given)
    if not all(options) or len(set(options)) < len(options):
        raise ValueError("options must differ, and none may be empty")
    return options


def _text(given: Json, name: str, most: int) -> str:
    """Return a text that can be stored: half a character in it becomes a question mark."""
    if not isinstance(given, str):
        raise ValueError(f"{name} must be a text")
    data = given.replace("\0", "\ufffd").encode(errors="replace")
    if len(data) > most:
        raise ValueError(f"{name} has {len(data)} bytes, at most {most}")
    return data.decode()
