"""Row to Run and back: the columns of `runs` are the fields of Run, by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..core.delivery import Reach
from ..core.model import Failure, Json, Mode, Run, Status

log = logging.getLogger("praisonrun")
ALL = Run._fields
"""The columns of a whole run."""
FULL = ", ".join(ALL)
COLUMNS = ", ".join({"prompt": "''", "input": "NULL"}.get(name, name) for name in ALL)
"""The same without prompt and input, which lists never read."""
FIXED = frozenset({"seq", "id", "agent", "mode", "created_at", "key", "prompt", "input"})
"""Columns that no decision changes."""
_dump = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def dump(value: Json) -> str:
    """Return JSON text that SQLite and UTF-8 can hold: NaN and the infinities become null."""
    try:
        return _dump(value)
    except ValueError:
        loose = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(loose, separators=(",", ":"))


def _word(value: Any) -> str:
    return str(value.value)


def _names(value: tuple[str, ...]) -> str:
    return dump(value) if value else "[]"


_WRITE: dict[str, Callable[[Any], Any]] = {
    "status": _word,
    "mode": _word,
    "failure": _word,
    "webhook_reach": _word,
    "env_names": _names,
    "labels": dump,
    "metadata": dump,
    "summary": dump,
    "metrics": dump,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "status": {status.value: status for status in Status}.__getitem__,
    "mode": {mode.value: mode for mode in Mode}.__getitem__,
    "failure": {failure.value: failure for failure in Failure}.__getitem__,
    "webhook_reach": {reach.value: reach for reach in Reach}.__getitem__,
    "env_names": lambda text: () if text == "[]" else tuple(json.loads(text)),
    "retain_on_failure": bool,
    "held": bool,
    "labels": json.loads,
    "metadata": json.loads,
    "summary": json.loads,
    "metrics": json.loads,
}
_INSTEAD: dict[str, Any] = {
    "status": Status.FAILED,
    "mode": Mode.RUN,
    "failure": Failure.LOST,
    "webhook_reach": Reach.PUBLIC,
    "env_names": ("(unknown)",),  # so that the run does not start without them
}
"""What stands for a damaged value; None for all others."""
_WRITE_AT = tuple((ALL.index(name), write) for name, write in _WRITE.items())
_READ_AT = tuple((ALL.index(name), read) for name, read in _READ.items())


def values(run: Run) -> list[Any]:
    """Return the values of the columns ALL for a run."""
    stored = list(run)
    for at, write in _WRITE_AT:
        if stored[at] is not None:
            stored[at] = write(stored[at])
    return stored


def run_of(row: Sequence[Any]) -> Run:
    """Return the run of a row that was read as COLUMNS or as FULL.

    A damaged value must not keep a list from being shown, or a server from starting: it is read as nothing.
    """
    found = list(row)
    for at, read in _READ_AT:
        if found[at] is not None:
            try:
                found[at] = read(found[at])
            except (ValueError, KeyError, RecursionError):
                found[at] = _INSTEAD.get(ALL[at])
                _report(row[0], ALL[at])
    return Run._make(found)


@lru_cache(1000)
def _report(run_id: str, column: str) -> None:
    """Log a damaged value, once."""
    log.warning("run %s: its stored %s is damaged, or of another version of praisonrun", run_id, column)


def repairs(row: Sequence[Any]) -> dict[str, Any]:
    """Return what the damaged columns of a row, read as COLUMNS, are to hold instead."""
    run = run_of(row)
    return {
        ALL[at]: _stored(ALL[at], run[at])
        for at, _ in _READ_AT
        if row[at] is not None and run[at] == _INSTEAD.get(ALL[at]) and _stored(ALL[at], run[at]) != row[at]
    }


def changes(before: Run, after: Run) -> dict[str, Any]:
    """Return the columns that differ, and their new values."""
    pairs = zip(ALL, before, after, strict=True)
    changed = {name: new for name, old, new in pairs if new is not old and new != old}
    assert not FIXED & changed.keys(), f"a run keeps its {FIXED & changed.keys()}"
    return {name: _stored(name, value) for name, value in changed.items()}


def _stored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _WRITE:
        return _WRITE[name](value)
    # An agent's own error may hold half a character; that must not keep its run from ending.
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
