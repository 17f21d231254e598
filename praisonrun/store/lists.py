"""Lists: pages of runs by index, newest first, and a text that is looked for in them.

Lists never touch prompt and input, but where they are wanted or searched.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from sqlite3 import Connection
from typing import Any, NamedTuple

from ..core import clock
from ..core.model import Mode, Status
from .reads import GIVEN
from .rows import COLUMNS, FULL, run_of
from .types import GIVEN_BYTES, Find, Page, given

SEARCHED, SEARCHED_TEXT = 100_000, 512 * 1024 * 1024
"""The newest runs that a text is looked for in, and characters of their prompts after which it is enough."""
STEP = 1000
"""Runs of them that are looked into at once."""
STEP_TIME = 10_000
"""Microseconds after which a step ends early: prompts may be large, and others read between the steps."""
NEAR = 1000
"""Runs around one that was submitted at a time whose own times are looked at: some come in out of order."""
_NEWEST = (1 << 63) - 1
_INDEXES = {"owner": "runs_by_owner", "session_id": "runs_by_session", "agent": "runs_by_agent"}
"""The index for each filter, the narrowest first."""
_NEXT = "SELECT seq, created_at FROM runs WHERE seq >= ? ORDER BY seq LIMIT 1"
_HAS = r"title LIKE ? ESCAPE '\' OR prompt LIKE ? ESCAPE '\'"


class _Oldest(NamedTuple):
    """Where runs begin that were submitted since a time: none before `low`, all from `high` on."""

    low: int
    high: int


_ALL = _Oldest(0, 0)


def find(db: Connection, wanted: Find) -> Page:
    """Return a page of runs, newest first; without prompt and input unless they are wanted.

    A page with them ends after GIVEN_BYTES.
    """
    if not _statuses(wanted):
        return Page([], 0)
    runs, size = [], 0
    oldest = submitted_since(db, wanted.since)
    for row in db.execute(*page_query(wanted, oldest)):
        runs.append(run_of(row))
        size += given(runs[-1])
        if size > GIVEN_BYTES:
            break
    total = _total(db, wanted, oldest) if wanted.counted else 0
    return Page(sorted(runs, key=lambda run: -run.seq), total)


class Search:
    """Looks for the text of a query, newest first, in the first runs that it finds without it."""

    def __init__(self, wanted: Find) -> None:
        text = wanted.text or ""
        for special in "\\%_":
            text = text.replace(special, "\\" + special)
        self._pattern = f"%{text}%"
        self._wanted = replace(wanted, page=1)
        self._page, self._left, self._text_left = wanted.page, SEARCHED, SEARCHED_TEXT
        self._found: list[int] = []
        self.over = not _statuses(wanted)

    def look(self, db: Connection) -> None:
        """Look into the next runs."""
        step = replace(self._wanted, page_size=min(STEP, self._left))
        picked, values = _picked(step, submitted_since(db, step.since))
        sql = f"SELECT seq, {_HAS}, length(prompt) FROM runs WHERE seq IN ({picked}) ORDER BY seq DESC"  # noqa: S608
        ends, looked, seq = clock.ticks() + STEP_TIME, 0, step.after_seq
        for seq, has, size in db.execute(sql, [self._pattern, self._pattern, *values]):
            looked, self._text_left = looked + 1, self._text_left - size
            if has:
                self._found.append(seq)
            if self._text_left < 0 or clock.ticks() > ends:
                break
        else:
            self.over = looked < step.page_size
        self._wanted, self._left = replace(step, after_seq=seq), self._left - looked
        self.over = self.over or not self._left or self._text_left < 0

    def page(self, db: Connection, size: int) -> Page:
        """Return the wanted page of what was found."""
        start = (self._page - 1) * size
        seqs = json.dumps(self._found[start : start + size])
        sql = f"SELECT {COLUMNS} FROM runs WHERE seq {GIVEN} ORDER BY seq DESC"  # noqa: S608
        return Page([run_of(row) for row in db.execute(sql, (seqs,))], len(self._found))


def submitted_since(db: Connection, time: int | None) -> _Oldest:
    """Find it by halves: seqs are the order of submission, and their times rise but where a clock was set."""
    if time is None:
        return _ALL
    low, high = 0, 1 + int(db.execute("SELECT coalesce(max(seq), 0) FROM runs").fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        found = db.execute(_NEXT, (middle,)).fetchone()
        if found is None or found[1] >= time:
            high = middle
        else:
            low = found[0] + 1
    return _Oldest(low - NEAR, low + NEAR)


def page_query(wanted: Find, oldest: _Oldest = _ALL) -> tuple[str, list[Any]]:
    """Return the statement that reads a page, and its values."""
    picked, values = _picked(wanted, oldest)
    if wanted.full:  # newest first, because it may end early
        return f"SELECT {FULL} FROM runs WHERE seq IN ({picked}) ORDER BY seq DESC", values  # noqa: S608
    return f"SELECT {COLUMNS} FROM runs WHERE seq IN ({picked})", values  # noqa: S608


def _picked(wanted: Find, oldest: _Oldest) -> tuple[str, list[Any]]:
    """Return the query for the seqs of a page, and its values: legs that are merged in order.

    A leg has one mode and one status, so it reads one index backwards, in order: no sort and no scan.
    """
    legs = list(product(_modes(wanted), _statuses(wanted)))
    sign, index, conditions, values = _narrowed(wanted, oldest)
    if wanted.version is not None:
        conditions, values = f"{conditions} AND version = ?", [*values, wanted.version]
    if wanted.failure is not None:
        failures = [failure.value for failure in wanted.failure]
        conditions, values = f"{conditions} AND failure IN ({_marks(failures)})", [*values, *failures]
    kind = f"{sign}mode = ? AND {sign}status = ? AND {sign}seq < ?"
    leg = f"SELECT seq FROM runs {index} WHERE {kind}{conditions}"  # noqa: S608
    picked = f"{' UNION ALL '.join([leg] * len(legs))} ORDER BY seq DESC LIMIT ? OFFSET ?"
    older_than = _NEWEST if wanted.after_seq is None else wanted.after_seq
    bound = [value for mode, status in legs for value in (mode.value, status.value, older_than, *values)]
    return picked, [*bound, wanted.page_size, (wanted.page - 1) * wanted.page_size]


def _narrowed(wanted: Find, oldest: _Oldest) -> tuple[str, str, str, list[Any]]:
    """Return the sign before a column's name, the index to read by, the further conditions and their values.

    A tree is small, and two indexes find it: a run without relatives has no root. A + bars the others.
    """
    given = {name: value for name in _INDEXES if (value := getattr(wanted, name)) is not None}
    sign = "" if wanted.root is None else "+"
    conditions, values = "".join(f" AND {sign}{name} = ?" for name in given), list[Any](given.values())
    if wanted.since is not None:  # an index says nothing of times: the row is read only near the first
        conditions += f" AND {sign}seq >= ? AND ({sign}seq >= ? OR created_at >= ?)"
        values += [oldest.low, oldest.high, wanted.since]
    if wanted.root is not None:
        tree = " AND (root = ? OR (id = ? AND root IS NULL))"
        return sign, "", conditions + tree, [*values, wanted.root, wanted.root]
    return sign, f"INDEXED BY {_INDEXES.get(next(iter(given), ''), 'runs_by_status')}", conditions, values


def _total(db: Connection, wanted: Find, oldest: _Oldest) -> int:
    modes, statuses = _modes(wanted), _statuses(wanted)
    sign, index, conditions, values = _narrowed(wanted, oldest)
    kept = all(each is None for each in (wanted.root, wanted.owner, wanted.session_id, wanted.since))
    counted = "sum(n) FROM counts" if kept else f"count(*) FROM runs {index}"
    kind = f"{sign}mode IN ({_marks(modes)}) AND {sign}status IN ({_marks(statuses)})"
    sql = f"SELECT {counted} WHERE {kind}{conditions}"
    bound = [*(mode.value for mode in modes), *(status.value for status in statuses), *values]
    return int(db.execute(sql, bound).fetchone()[0] or 0)


def _modes(wanted: Find) -> list[Mode]:
    return list(Mode) if wanted.mode is None else [wanted.mode]


def _statuses(wanted: Find) -> list[Status]:
    return [status for status in Status if wanted.status is None or status in wanted.status]


def _marks(values: list[Any]) -> str:
    return ", ".join("?" * len(values))
