"""`praisonrun ask`: an agent asks something and waits for the answer. It needs no server's address.

Standard library only: an agent may ask often. The question goes into the pipe of events, and the answer
comes in the file of answers. That is looked at a few times a second: no system call that every system has
waits for a file to grow.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, Invalid, reason
from ..core.question import Ask, BadAsk, ask_of

EVENTS, ANSWERS = "PRAISONRUN_EVENTS", "PRAISONRUN_ANSWERS"
SHORTEST, LONGEST = 0.02, 0.25
"""Seconds between two looks: the first, and later ones."""
SLACK = 30.0
"""Seconds beyond its time after which a question is held to be denied: no server is there to say so."""
DENIED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked."""

    question: str
    options: tuple[str, ...]
    default: str | None
    timeout: float | None
    ask_id: str | None
    permission: bool
    as_json: bool

    def ask(self) -> Ask:
        """Return the question. Raises Invalid for one beyond a limit."""
        given: dict[str, Any] = {
            "id": self.ask_id or uuid.uuid4().hex[:8],
            "question": self.question,
            "options": [each for word in self.options for each in word.split(",")] or None,
            "default": self.default,
            "timeout": self.timeout,
            "kind": "permission" if self.permission else "question",
        }
        try:
            return ask_of(given)
        except BadAsk as fault:
            raise Invalid(f"the question is rejected: {fault}") from None


def ask(wanted: Wanted, now: Callable[[], float] = time.monotonic) -> int:
    """Ask and print the answer; return 0, or DENIED. Raises Invalid, ConfigError outside an agent."""
    asked = wanted.ask()
    reply = reply_to(asked, now)
    if reply is None:
        print("praisonrun: nobody said what became of the question: it is denied", file=sys.stderr)
        reply = {"id": asked.id, "denied": True}
    return _print(reply, as_json=wanted.as_json)


def places() -> tuple[str, str]:
    """Return where this agent asks, and where it reads answers. Raises ConfigError outside an agent."""
    events, answers = os.environ.get(EVENTS), os.environ.get(ANSWERS)
    if not events or not answers:
        raise ConfigError(
            f"{EVENTS} and {ANSWERS} are not set: only an agent may ask, while praisonrun runs it with "
            "`files: true`"
        )
    return events, answers


def reply_to(asked: Ask, now: Callable[[], float] = time.monotonic) -> dict[str, Any] | None:
    """Ask, wait, and return what became of it (`core.question.Question.reply`).

    None if nobody says it, some time after its own. Raises ConfigError outside an agent.
    """
    events, answers = places()
    _send(events, asked)
    until = now() + asked.timeout + SLACK
    return next((one for one in _replies(answers, lambda: now() < until) if one.get("id") == asked.id), None)


def _send(events: str, asked: Ask) -> None:
    """Write a question into the pipe; others that ask wait, so that no two lines mix."""
    line = json.dumps({"ask": {**asked._asdict(), "options": list(asked.options) or None}}).encode() + b"\n"
    try:
        fd = os.open(events, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "wb", 0) as pipe:
            os.set_blocking(fd, True)
            with suppress(OSError):  # no locks there: short lines stay whole without
                fcntl.flock(fd, fcntl.LOCK_EX)
            while line:
                line = line[pipe.write(line) or 0 :]
    except OSError as error:
        raise ConfigError(f"{EVENTS} cannot be written: {reason(error)}; is the run over?") from None


def _replies(answers: str, waits: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of the file of answers as they come, from its first, while somebody `waits`."""
    path, offset, pause = Path(answers), 0, SHORTEST
    while True:
        found = _after(path, offset)
        whole = found[: found.rfind(b"\n") + 1]
        offset += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError, RecursionError):
                reply = json.loads(line)
                if isinstance(reply, dict):
                    yield reply
        if not waits():
            return
        time.sleep(pause)
        pause = min(pause * 1.2, LONGEST)


def _after(path: Path, offset: int) -> bytes:
    try:
        if path.stat().st_size <= offset:
            return b""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:  # no question of this run is answered yet
        return b""


def _print(reply: dict[str, Any], *, as_json: bool) -> int:
    answer = reply.get("answer")
    if as_json:
        print(json.dumps(reply, ensure_ascii=False))
    elif isinstance(answer, str):
        print(answer)
    return 0 if isinstance(answer, str) else DENIED
