"""Questions of agents. Each change of one gives its run the next rev: who asks what changed hears of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from sqlite3 import Connection
from typing import Any, NamedTuple

from ..core.errors import Gone, Invalid, NotFound, WrongState
from ..core.model import Run, Status
from ..core.question import KINDS, OPEN, Question, QuestionState
from . import reads
from .reads import GIVEN
from .rows import dump

LATEST = 32
"""Questions of a run that are shown besides its open ones."""
SHORT = 200
"""Characters of a question that lists show."""
_COLUMNS = 'id, question, options, "default", asked_at, due_at, state, answer'
_ALL = f"SELECT run_seq, {_COLUMNS} FROM asks"  # noqa: S608
# Long texts are not even read for lists. Options that begin with an object have a kind.
_SHORT = f"""
    SELECT run_seq, id, substr(question, 1, {SHORT}),
        CASE WHEN options LIKE '[{{%' THEN json_extract(options, '$[0]') END,
        NULL, asked_at, due_at, state, NULL
    FROM asks WHERE run_seq {GIVEN} AND state = 'open' ORDER BY asked_at, id
"""  # noqa: S608
# What a later attempt asks again is open again, unless it was answered.
_ASK = f"""
    INSERT INTO asks (run_seq, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        question = excluded.question, options = excluded.options, "default" = excluded."default",
        asked_at = excluded.asked_at, due_at = excluded.due_at, state = excluded.state, delivered = 0
    WHERE state = 'void'
"""  # noqa: S608
_OPEN = "SELECT count(*) FROM asks WHERE run_seq = ? AND state = 'open'"
_OPEN_IDS = """
    SELECT runs.id, asks.id, asked_at FROM asks JOIN runs ON runs.seq = asks.run_seq WHERE asks.state = 'open'
    ORDER BY asks.due_at LIMIT ?
"""
_ANSWER = "UPDATE asks SET state = 'answered', answer = ? WHERE run_seq = ? AND id = ?"
_EXPIRE = """
    UPDATE asks SET state = 'expired', answer = "default" WHERE run_seq = ? AND id = ? AND state = 'open'
"""


class Unsettled(NamedTuple):
    """What the questions of a run still need."""

    open: dict[str, int]
    """Until when each open one may be answered; microseconds since the epoch."""
    untold: list[str]
    """The ids of those whose agent was not told the answer yet."""


def ask(db: Connection, run: Run, asked: Sequence[Question], read: int, at: int) -> Unsettled | None:
    """Store what a live run asks, and how far its journal was read; return what these questions need.

    A known id is the same question, unless its attempt ended before an answer. One too many is not open but
    expired at once, without an answer. None, and nothing is stored, if the run's attempt is another by now.
    """
    row = reads.get(db, run.id)
    if row.status is not Status.RUNNING or (row.attempt, row.claim) != (run.attempt, run.claim):
        return None
    room = OPEN - int(db.execute(_OPEN, (run.seq,)).fetchone()[0])
    for each in asked:
        state = each.state if room > 0 else QuestionState.EXPIRED
        added = db.execute(_ASK, (run.seq, *_row(each._replace(state=state)))).rowcount
        room -= bool(added) and state is QuestionState.OPEN
    db.execute("UPDATE runs SET asks_read = ? WHERE seq = ?", (read, run.seq))
    _touch(db, run.seq, at)
    return unsettled(db, run.seq, [each.id for each in asked])


def unsettled(db: Connection, seq: int, ids: Collection[str] | None = None) -> Unsettled:
    """Return what a run's questions need, or some of them."""
    sql = "SELECT id, due_at, state FROM asks WHERE run_seq = ? AND state <> 'void' AND delivered = 0"
    values: list[Any] = [seq]
    if ids is not None:
        sql, values = f"{sql} AND id {GIVEN}", [seq, json.dumps(list(ids))]
    found = db.execute(f"{sql} ORDER BY asked_at, id", values).fetchall()
    return Unsettled(
        {ask_id: due_at for ask_id, due_at, state in found if state == QuestionState.OPEN},
        [ask_id for ask_id, _, state in found if state != QuestionState.OPEN],
    )


def answer(db: Connection, run_id: str, ask_id: str, given: str, at: int) -> tuple[Question, bool]:
    """Store an answer, once; return the question, and False if it had the same answer already.

    Raises NotFound, WrongState for another answer or too late, Gone once its attempt has ended, Invalid for
    what is none of the options.
    """
    run = reads.get(db, run_id)
    row = db.execute(f"{_ALL} WHERE run_seq = ? AND id = ?", (run.seq, ask_id)).fetchone()
    if row is None:
        raise NotFound(f"run {run_id} has asked no question {ask_id[:64]!r}")
    known = _question(row)
    match known.state:
        case QuestionState.ANSWERED if known.answer == given:
            return known, False
        case QuestionState.ANSWERED:
            raise WrongState(f"question {ask_id} was answered already: {known.answer!r}")
        case QuestionState.EXPIRED:
            raise WrongState(f"question {ask_id} has expired: nobody answered in time")
    if known.state is QuestionState.VOID or run.status is not Status.RUNNING:
        raise Gone(f"question {ask_id} is void: the attempt that asked it has ended")
    if known.options and given not in known.options:
        choices = ", ".join(map(repr, known.options))
        raise Invalid(f"answer: must be one of {choices}", field="answer")
    db.execute(_ANSWER, (given, run.seq, ask_id))
    _touch(db, run.seq, at)
    return known._replace(state=QuestionState.ANSWERED, answer=given), True


def expire(db: Connection, due: Iterable[tuple[int, str]], at: int) -> set[tuple[int, str]]:
    """Settle questions, by their run's seq and id, that are due; return those that nobody had answered."""
    expired = {each for each in due if db.execute(_EXPIRE, each).rowcount}
    for seq in {seq for seq, _ in expired}:
        _touch(db, seq, at)
    return expired


def void(db: Connection, seq: int) -> None:
    """Settle what a run's attempt asked that has ended."""
    db.execute("UPDATE asks SET state = 'void' WHERE run_seq = ? AND state = 'open'", (seq,))


def settled(db: Connection, seq: int, ids: Collection[str]) -> list[Question]:
    """Return those of a run's questions that are answered or expired, in the order of being asked."""
    sql = (
        f"{_ALL} WHERE run_seq = ? AND id {GIVEN} AND state IN ('answered', 'expired') ORDER BY asked_at, id"
    )
    return [_question(row) for row in db.execute(sql, (seq, json.dumps(list(ids))))]


def delivered(db: Connection, seq: int, ids: Collection[str]) -> None:
    """Note that an agent can read the answers to these questions."""
    sql = f"UPDATE asks SET delivered = 1 WHERE run_seq = ? AND id {GIVEN}"  # noqa: S608
    db.execute(sql, (seq, json.dumps(list(ids))))


def of_run(db: Connection, seq: int) -> list[Question]:
    """Return a run's questions, the oldest first: all open ones, and the latest of the others."""
    rows = db.execute(f"{_ALL} WHERE run_seq = ? AND state = 'open'", (seq,)).fetchall()
    others = f"{_ALL} WHERE run_seq = ? AND state <> 'open' ORDER BY asked_at DESC, id DESC LIMIT {LATEST}"
    rows += db.execute(others, (seq,)).fetchall()
    return sorted(map(_question, rows), key=lambda each: (each.asked_at, each.id))


def open_of(db: Connection, seqs: Collection[int]) -> dict[int, list[Question]]:
    """Return the open questions of some runs, by seq: shortened, and without options and default."""
    found: dict[int, list[Question]] = {}
    for row in db.execute(_SHORT, (json.dumps(list(seqs)),)):
        found.setdefault(row[0], []).append(_question(row))
    return found


def open_ids(db: Connection, limit: int) -> list[tuple[str, str, int]]:
    """Return run, id and time of at most `limit` open questions."""
    return db.execute(_OPEN_IDS, (limit,)).fetchall()


def _touch(db: Connection, seq: int, at: int) -> None:
    db.execute("UPDATE runs SET rev = next_rev(), updated_at = max(updated_at, ?) WHERE seq = ?", (at, seq))


def _row(each: Question) -> tuple[Any, ...]:
    """Return the values of _COLUMNS. A kind that is not the usual one stands before the options."""
    kind = [{"kind": each.kind}] if each.kind != KINDS[0] else []
    options = dump([*kind, *each.options]) if kind or each.options else None
    times = each.asked_at, each.due_at
    return each.id, each.question, options, each.default, *times, each.state.value, each.answer


def _question(row: Sequence[Any]) -> Question:
    _, ask_id, question, stored, default, asked_at, due_at, state, given = row
    options = json.loads(stored) if stored else []
    options = [options] if isinstance(options, dict) else options
    kind = options.pop(0)["kind"] if options and isinstance(options[0], dict) else KINDS[0]
    times = asked_at, due_at
    return Question(ask_id, question, tuple(options), default, kind, *times, QuestionState(state), given)
