"""Row to Run and back: the columns of `runs` are the fields of Run, by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from ..core.delivery import Reach
from ..core.json import Json, dumps
from ..core.model import Failure, Mode, Run, Status

log = logging.getLogger("praisonrun")
ALL = Run._fields
"""The columns of a whole run."""
TITLE = 120
"""Characters of a title."""
FULL = ", ".join(ALL)
PROMPTED = ", ".join({"input": "NULL"}.get(name, name) for name in ALL)
"""The same without input."""
COLUMNS = ", ".join({"prompt": "''", "input": "NULL"}.get(name, name) for name in ALL)
"""The same without prompt and input, which lists never read."""
FIXED = frozenset(
    {"seq", "id", "agent", "mode", "created_at", "key", "title", "prompt", "input", "conversation"}
)
"""Columns that no decision changes."""


def dump(value: Json) -> str:
    """Return JSON text that SQLite and UTF-8 can hold."""
    return dumps(value).decode()


class _Form(NamedTuple):
    """How a column holds a value that is no text and no number."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    instead: Any = None
    """What stands for a damaged value."""


def _word(instead: StrEnum) -> _Form:
    words = {word.value: word for word in type(instead)}
    return _Form(attrgetter("value"), words.__getitem__, instead)


def _read_names(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


_FORMS = {
    "status": _word(Status.FAILED),
    "mode": _word(Mode.RUN),
    "failure": _word(Failure.LOST),
    "webhook_reach": _word(Reach.PUBLIC),
    # The run does not start without the envs that it names, and nobody has this one.
    "env_names": _Form(dump, _read_names, ("(unknown)",)),
    **dict.fromkeys(("held", "retain_on_failure"), _Form(int, bool)),
    **dict.fromkeys(("labels", "metadata", "summary", "metrics"), _Form(dump, json.loads)),
}
_FORMS_AT = tuple((ALL.index(name), *form) for name, form in _FORMS.items())


def title_of(prompt: str) -> str:
    """Return a run's title: its prompt's first line that is not empty, without controls, 120 characters."""
    for line in prompt.splitlines():
        words = " ".join(line.split())  # a tab is no printable character
        if title := words if words.isprintable() else "".join(filter(str.isprintable, words)).strip():
            return title[:TITLE]
    return ""


def values(run: Run) -> list[Any]:
    """Return the values of the columns ALL for a run."""
    stored = list(run)
    for at, write, _, _ in _FORMS_AT:
        if stored[at] is not None:
            stored[at] = write(stored[at])
    return stored


def run_of(row: Sequence[Any]) -> Run:
    """Return the run of a row that was read as COLUMNS or as FULL.

    A damaged value must not keep a list from being shown, or a server from starting: it is read as nothing.
    """
    found = list(row)
    for at, _, read, instead in _FORMS_AT:
        if found[at] is not None:
            try:
                found[at] = read(found[at])
            except (ValueError, KeyError, RecursionError):
                found[at] = instead
                _report(row[0], ALL[at])
    return Run._make(found)


@lru_cache(1000)
def _report(run_id: str, column: str) -> None:
    """Log a damaged value, once."""
    log.warning("run %s: its stored %s is damaged, or of another version of praisonrun", run_id, column)


def repairs(row: Sequence[Any]) -> dict[str, Any]:
    """Return what the damaged columns of a row, read as COLUMNS, are to hold instead."""
    run, found = run_of(row), {}
    for at, _, _, instead in _FORMS_AT:
        if row[at] is not None and run[at] == instead and (stored := _stored(ALL[at], instead)) != row[at]:
            found[ALL[at]] = stored
    return found


def changes(before: Run, after: Run) -> dict[str, Any]:
    """Return the columns that differ, and their new values."""
    pairs = zip(ALL, before, after, strict=True)
    changed = {name: new for name, old, new in pairs if new is not old and new != old}
    assert not FIXED & changed.keys(), f"a run keeps its {FIXED & changed.keys()}"
    return {name: _stored(name, value) for name, value in changed.items()}


def _stored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _FORMS:
        return _FORMS[name].write(value)
    # An agent's own error may hold half a character; that must not keep its run from ending.
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
