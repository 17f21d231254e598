"""Row to Run and back: the columns of `runs` are the fields of Run, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..core.model import Failure, Json, Mode, Reach, Run, Status

ALL = Run._fields
"""The columns of a whole run."""
FULL = ", ".join(ALL)
COLUMNS = ", ".join({"prompt": "''", "input": "NULL"}.get(name, name) for name in ALL)
"""The same without its input, which lists never read."""
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
_WRITE_AT = tuple((ALL.index(name), write) for name, write in _WRITE.items())
_READ_AT = tuple((ALL.index(name), read) for name, read in _READ.items())


def values(run: Run) -> list[Any]:
    """Return what the columns ALL hold for a run."""
    stored = list(run)
    for at, write in _WRITE_AT:
        if stored[at] is not None:
            stored[at] = write(stored[at])
    return stored


def run_of(row: Sequence[Any]) -> Run:
    """Return the run of a row that was read as COLUMNS or as FULL."""
    found = list(row)
    for at, read in _READ_AT:
        if found[at] is not None:
            found[at] = read(found[at])
    return Run._make(found)


def changes(before: Run, after: Run) -> dict[str, Any]:
    """Return the columns that differ and what they are to hold."""
    pairs = zip(ALL, before, after, strict=True)
    changed = {name: new for name, old, new in pairs if new is not old and new != old}
    assert not FIXED & changed.keys(), f"a run keeps its {FIXED & changed.keys()}"
    return {name: _stored(name, value) for name, value in changed.items()}


def _stored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _WRITE:
        return _WRITE[name](value)
    # What an agent said of its end may hold half a character; that must not keep a run from ending.
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
