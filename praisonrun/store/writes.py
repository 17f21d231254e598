"""What is written: functions that run in a transaction of the connection that writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from secrets import token_hex
from sqlite3 import Connection
from typing import Any, TypeAlias

from ..core import clock, lifecycle
from ..core.conversation import Conversation
from ..core.delivery import Delivery
from ..core.errors import NotFound, QueueFull, WrongState
from ..core.model import Run, Status
from . import asks, conversations, reads, rows, versions
from . import deliveries as outbox
from .rows import ALL, COLUMNS, FULL, run_of, title_of
from .types import Added, Free, Key, Prepare

REMOVED = 100_000
"""Removed runs that are remembered, however long ago."""
_KEPT = (*(name for name in ALL if name != "seq"), "key_scope", "fingerprint")
_ADD = (
    f"INSERT INTO runs ({', '.join(_KEPT)}, rev) SELECT {', '.join('?' * len(_KEPT))}, next_rev() "  # noqa: S608
    "WHERE ? OR (SELECT coalesce(sum(n), 0) FROM counts WHERE status = 'queued') < ?"
)
_KEY, _SEQ = ALL.index("key"), ALL.index("seq")
_QUEUED = "SELECT agent FROM counts WHERE status = 'queued' AND n > 0"
_BEST = (
    "SELECT -priority, seq FROM runs INDEXED BY runs_queued "  # noqa: S608
    f"WHERE status = 'queued' AND held = 0 AND agent = ? AND due_at <= ? AND {conversations.FREE} "
    "ORDER BY priority DESC, seq LIMIT ?"
)
_PAUSED = (
    f"SELECT {COLUMNS} FROM runs INDEXED BY runs_due WHERE status = 'queued' AND held = 0 AND due_at > ?"  # noqa: S608
)
Decide: TypeAlias = Callable[[Run], Run]
Deliver: TypeAlias = Callable[[Run], Delivery | None]


def add(
    db: Connection, run: Run, *, key: Key | None, queue_limit: int, prepare: Prepare = lambda _: None,
    waiter: str | None = None,
) -> Added:  # fmt: skip
    """Insert a new run with its key, or return the run that the key already names.

    `waiter` is the run whose agent waits for this one, if one does; it need not be known here.

    Raises KeyReused for another payload, QueueFull if the run is to be queued and `queue_limit` runs are,
    WrongState for an id that exists and a run that would wait for its waiter, Invalid for text that is no
    Unicode. Usually one statement is enough; only if it inserts nothing, the cause is looked for. A run that
    was to be claimed at once is queued if one of its conversation is unfinished.
    """
    if run.parent is not None or waiter is not None:
        if known := reads.named(db, key):
            return Added(known, replayed=True)
        _check_waits(db, run, waiter)
    if run.parent is not None:
        run = _with_root(db, run, run.parent)
    if run.status is Status.RUNNING and run.conversation and conversations.ahead(db, run.conversation):
        run = lifecycle.unclaim(run, run.updated_at)
    run = run._replace(title=title_of(run.prompt))
    name = key.key if key else None
    stored = rows.values(run)
    stored[_KEY] = name
    del stored[_SEQ]
    stored += [key and key.scope, key and key.fingerprint]
    stored += [run.status is not Status.QUEUED, queue_limit]
    refused: sqlite3.IntegrityError | None = None
    try:
        cursor = db.execute(_ADD, stored)
        if cursor.rowcount:
            if run.status is Status.RUNNING:
                prepare(run.id)
            return Added(run._replace(seq=cursor.lastrowid or 0, key=name), replayed=False)
    except sqlite3.IntegrityError as error:
        refused = error
    if known := reads.named(db, key):
        return Added(known, replayed=True)
    raise _why_not(db, run, refused)


def _check_waits(db: Connection, run: Run, waiter: str | None) -> None:
    """Raise WrongState for a run that would wait for the end of one which may wait for its end."""
    for each in filter(None, (run.parent, waiter)):
        if run.conversation and (first := conversations.above(db, run.conversation, each)):
            why = f"this run would wait for {first} of the same session, whose agent may wait for it"
            raise WrongState(f"{why}: give another session, or none", field="session_id")


def _with_root(db: Connection, run: Run, parent_id: str) -> Run:
    """Put a run into its parent's tree. Raises NotFound, WrongState for a parent that is being cancelled."""
    parent = reads.get(db, parent_id)
    if parent.cancel_requested_at is not None:
        raise WrongState(f"run {parent_id} was cancelled; it takes no more children")
    root = parent.root or parent.id
    db.execute("UPDATE runs SET root = ?, rev = next_rev() WHERE seq = ?", (root, parent.seq))
    return run._replace(root=root)


def _why_not(db: Connection, run: Run, refused: sqlite3.IntegrityError | None) -> Exception:
    """Return why a run was not inserted: the queue is full, its id is known, or its row is impossible."""
    if refused is None:
        return QueueFull("the queue is full; try again later", retry_after=5)
    if db.execute("SELECT 1 FROM runs WHERE id = ?", (run.id,)).fetchone():
        return WrongState(f"there is already a run {run.id}")
    return refused


def change(db: Connection, run_id: str, decide: Decide, *, deliver: Deliver = outbox.owed) -> Run:
    """Apply one decision in the transaction and return the run after it.

    `decide` is pure, is given the run without prompt and input, and may be called again after an error of
    another job. A run that becomes final owes what `deliver` returns: by default one delivery to its
    webhook_url. Raises NotFound and what `decide` raises.
    """
    before = reads.get(db, run_id)
    after = decide(before)
    _write(db, before, after)
    if before.asks_read is not None and before.status is Status.RUNNING is not after.status:
        asks.void(db, before.seq)
    if after.status in lifecycle.FINAL and before.status not in lifecycle.FINAL:
        outbox.owe(db, deliver(after))
    return after


def settle(
    db: Connection, run_id: str, decide: Decide, known: Conversation | None, *, deliver: Deliver = outbox.owed
) -> Run:
    """Apply the decision about the end of an attempt, and note what is `known` of its conversation since.

    Raises what `change` does.
    """
    run = change(db, run_id, decide, deliver=deliver)
    if known is not None and run.conversation is not None:
        conversations.put(db, run.conversation, known, run.updated_at)
    return run


def change_tree(db: Connection, run_id: str, decide: Decide) -> list[Run]:
    """Apply one decision to a run and its unfinished descendants. Returns these, the run itself first."""
    top = change(db, run_id, decide)
    below = reads.below(db, top) if top.root else []
    return [top, *(change(db, found, decide) for found in below)]


def change_trees(db: Connection, run_ids: Iterable[str], decide: Decide) -> list[Run]:
    """Do that for several runs, as far as they are there and may be changed so."""
    changed: list[Run] = []
    for run_id in run_ids:
        with suppress(NotFound, WrongState):  # removed, or final since
            changed += change_tree(db, run_id, decide)
    return changed


def release(db: Connection, run_id: str, decide: Decide, prompt: str, given: str | None) -> Run:
    """Apply a decision that releases a held run, and store its input. Raises what `change` does."""
    run = change(db, run_id, decide)
    title = title_of(prompt)
    db.execute(
        "UPDATE runs SET prompt = ?, input = ?, title = ? WHERE seq = ?", (prompt, given, title, run.seq)
    )
    return run._replace(prompt=prompt, input=given, title=title)


def _write(db: Connection, before: Run, after: Run) -> None:
    changed = rows.changes(before, after)
    if not changed:
        return
    try:
        _update(db, before.seq, changed)
    except sqlite3.IntegrityError:  # any change of a row checks all of it
        sql = f"SELECT {COLUMNS} FROM runs WHERE seq = ?"  # noqa: S608
        repairs = rows.repairs(db.execute(sql, (before.seq,)).fetchone())
        if not repairs:
            raise
        _update(db, before.seq, {**repairs, **changed})


def _update(db: Connection, seq: int, changed: dict[str, Any]) -> None:
    columns = "".join(f"{name} = ?, " for name in changed)
    db.execute(f"UPDATE runs SET {columns}rev = next_rev() WHERE seq = ?", (*changed.values(), seq))  # noqa: S608


def claim(
    db: Connection, limit: int, at: int, boot: str, free: Free, prepare: Prepare = lambda _: None
) -> list[Run]:
    """Claim up to `limit` runs that are due: higher priority first, then the older; with their input."""
    best: list[tuple[int, int]] = []
    for agent in {agent for (agent,) in db.execute(_QUEUED)}:
        own_limit = versions.concurrency(db, agent)
        slots = next((taken for taken in range(limit) if not free(agent, taken, own_limit)), limit)
        if slots > 0:
            best += db.execute(_BEST, (agent, at, slots)).fetchall()
    return [_claim(db, seq, at, boot, prepare) for _, seq in sorted(best)[:limit]]


def _claim(db: Connection, seq: int, at: int, boot: str, prepare: Prepare) -> Run:
    before = run_of(db.execute(f"SELECT {FULL} FROM runs WHERE seq = ?", (seq,)).fetchone())  # noqa: S608
    after = lifecycle.claim(before, at, boot, token_hex(8))
    prepare(after.id)
    _write(db, before, after)
    return after


def hasten(db: Connection, at: int) -> None:
    """Let no queued run wait longer than its pause from a time on: the clock may have been set back."""
    for row in db.execute(_PAUSED, (at,)).fetchall():
        run = run_of(row)
        _write(db, run, lifecycle.hasten(run, at))


def delete(db: Connection, run_id: str) -> None:
    """Delete a final run, and note that. Raises NotFound, WrongState for a live one."""
    run = reads.get(db, run_id)
    if run.status not in lifecycle.FINAL:
        raise WrongState(f"run {run_id} is {run.status}; cancel it first")
    db.execute("DELETE FROM runs WHERE seq = ?", (run.seq,))
    db.execute("INSERT INTO removed VALUES (next_rev(), ?, ?)", (run_id, clock.now()))


def prune(db: Connection, run_ids: Iterable[str]) -> None:
    """Delete runs with their keys and deliveries; never one that is not final."""
    for run_id in run_ids:
        with suppress(NotFound, WrongState):  # deleted meanwhile, or a service that was restarted
            delete(db, run_id)


def forget_scratches(db: Connection, run_ids: Iterable[str]) -> None:
    """Note that the scratch directories of these runs are gone."""
    sql = f"UPDATE runs SET scratch_until = NULL, rev = next_rev() WHERE id {reads.GIVEN}"  # noqa: S608
    db.execute(sql, (json.dumps(list(run_ids)),))


def forget_removed(db: Connection, before: int) -> None:
    """Forget which runs were removed before a time, without the newest; note up to which rev."""
    newest = "SELECT rev FROM removed ORDER BY rev DESC LIMIT 1 OFFSET ?"
    sql = f"SELECT max(rev) FROM removed WHERE rev <= ({newest}) AND at < ?"  # noqa: S608
    last = db.execute(sql, (REMOVED, before)).fetchone()[0]
    if last is not None:
        db.execute("UPDATE removed_floor SET rev = max(rev, ?)", (last,))
        db.execute("DELETE FROM removed WHERE rev <= ?", (last,))
