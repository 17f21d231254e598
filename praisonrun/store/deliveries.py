"""The outbox: every webhook owed, and every attempt at it.

A delivery is stored in the transaction that makes its run final (`writes.change`), and an attempt after it.
A crash in between repeats the attempt, under the same id: at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import Any, TypeAlias

from uuid_utils import uuid7

from ..core import clock
from ..core.delivery import Delivery, DeliveryState, Reach, Reply
from ..core.errors import NotFound
from ..core.model import Run
from .types import DeliveryLog

_COLUMNS = (
    "d.id, r.id, d.url, d.type, d.created_at, d.due_at, r.webhook_reach, d.state, d.attempts, d.delivered_at"
)
_FROM = f"SELECT {_COLUMNS} FROM deliveries d JOIN runs r ON r.seq = d.run_seq"  # noqa: S608
_OWE = (
    "INSERT INTO deliveries (id, run_seq, url, receiver, type, due_at, created_at) "
    "SELECT ?, seq, ?, ?, ?, ?, ? FROM runs WHERE id = ?"
)
# One step leads from each receiver to the next, whatever number of rows a receiver has.
_RECEIVERS = (
    "WITH RECURSIVE found (receiver) AS ("
    "SELECT min(receiver) FROM deliveries INDEXED BY deliveries_owed WHERE state = 'pending' "
    "UNION ALL SELECT (SELECT min(receiver) FROM deliveries INDEXED BY deliveries_owed "
    "WHERE state = 'pending' AND receiver > found.receiver) FROM found WHERE receiver IS NOT NULL) "
    "SELECT receiver FROM found WHERE receiver IS NOT NULL AND EXISTS ("
    "SELECT 1 FROM deliveries d INDEXED BY deliveries_owed "
    "WHERE d.state = 'pending' AND d.receiver = found.receiver AND d.due_at <= ?)"
)
_LONGEST = (
    "SELECT id FROM deliveries INDEXED BY deliveries_owed "
    "WHERE state = 'pending' AND receiver = ? AND due_at <= ? ORDER BY due_at LIMIT ?"
)
_NEXT_DUE = (
    "SELECT min(due_at) FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending' AND due_at > ?"
)
_DUE = f"{_FROM} WHERE d.id IN ({_LONGEST}) ORDER BY d.due_at"
# A pause began with the attempt before it.
_HASTEN = (
    "UPDATE deliveries INDEXED BY deliveries_due SET due_at = min(due_at, :at + CASE attempts WHEN 0 THEN 0 "
    "ELSE max(0, due_at - coalesce((SELECT at FROM delivery_attempts WHERE delivery = deliveries.id "
    "ORDER BY seq DESC LIMIT 1), due_at)) END) WHERE state = 'pending' AND due_at > :at"
)
_ATTEMPT = "delivery, at, duration, status, error, text"
_ATTEMPTS = f"SELECT {_ATTEMPT} FROM delivery_attempts"  # noqa: S608
_REACHES = {reach.value: reach for reach in Reach}
_STATES = {state.value: state for state in DeliveryState}
Decide: TypeAlias = Callable[[Delivery], Delivery]


def owed(run: Run) -> Delivery | None:
    """Return the webhook that a final run owes, due at once; None if it has no webhook_url."""
    if run.webhook_url is None:
        return None
    at = run.updated_at
    kind = f"run.{run.status}"
    return Delivery(f"msg_{uuid7().hex}", run.id, run.webhook_url, kind, at, at, run.webhook_reach)


def owe(db: Connection, owes: Delivery | None) -> None:
    """Store what a run owes, if anything, in the transaction that makes it final."""
    if owes is not None:
        # A run's end is never before its start; where the clock was set back, that lies in the future.
        due = min(owes.due_at, clock.now())
        row = (owes.id, owes.url, owes.receiver, owes.type, due, owes.created_at, owes.run_id)
        db.execute(_OWE, row)


def of_run(db: Connection, run_id: str) -> list[DeliveryLog]:
    """Return the webhooks that a run owes or owed, oldest first."""
    return _logs(db, f"{_FROM} WHERE r.id = ? ORDER BY d.rowid", run_id)


def find(
    db: Connection, state: DeliveryState | None, page: int, page_size: int
) -> tuple[list[DeliveryLog], int]:
    """Return a page of all deliveries, newest first, and how many there are; None does not filter."""
    where, values = ("", ()) if state is None else ("WHERE d.state = ?", (state.value,))
    total = db.execute(f"SELECT count(*) FROM deliveries d {where}", values).fetchone()[0]  # noqa: S608
    sql = f"{_FROM} {where} ORDER BY d.rowid DESC LIMIT ? OFFSET ?"
    return _logs(db, sql, *values, page_size, (page - 1) * page_size), total


def due(db: Connection, at: int, each: int) -> list[Delivery]:
    """Return what is due at `at`: for every receiver the `each` deliveries that are due longest."""
    found: list[Delivery] = []
    for (receiver,) in db.execute(_RECEIVERS, (at,)).fetchall():
        found += map(_delivery, db.execute(_DUE, (receiver, at, each)))
    return found


def next_due(db: Connection, at: int) -> int | None:
    """Return the first time after `at` at which a delivery is due."""
    due: int | None = db.execute(_NEXT_DUE, (at,)).fetchone()[0]
    return due


def hasten(db: Connection, at: int) -> None:
    """Let no delivery wait longer than its pause from a time on: the clock may have been set back."""
    db.execute(_HASTEN, {"at": at})


def record(db: Connection, delivery: str, reply: Reply, decide: Decide) -> Delivery:
    """Store an attempt, and what `decide` makes of the delivery after it; return that. Raises NotFound."""
    after = change(db, None, delivery, decide)
    row = (delivery, reply.at, reply.duration, reply.status, reply.error, reply.text)
    db.execute(f"INSERT INTO delivery_attempts ({_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    return after


def replay_dead(db: Connection, at: int) -> int:
    """Make every dead letter due at `at`, from the schedule's start; return how many there were."""
    sql = "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = ? WHERE state = 'dead'"
    return db.execute(sql, (at,)).rowcount


def change(db: Connection, run_id: str | None, delivery: str, decide: Decide) -> Delivery:
    """Store what `decide` makes of a delivery, of a run if one is named; return that. Raises NotFound."""
    row = db.execute(f"{_FROM} WHERE d.id = ?", (delivery,)).fetchone()
    if row is None or run_id not in (None, row[1]):
        raise NotFound(f"there is no delivery {delivery}")
    after = decide(_delivery(row))
    sql = "UPDATE deliveries SET state = ?, attempts = ?, due_at = ?, delivered_at = ? WHERE id = ?"
    db.execute(sql, (after.state.value, after.attempts, after.due_at, after.delivered_at, delivery))
    return after


def _logs(db: Connection, sql: str, *values: str | int) -> list[DeliveryLog]:
    logs = {row[0]: DeliveryLog(_delivery(row), []) for row in db.execute(sql, values)}
    attempts = f"{_ATTEMPTS} WHERE delivery IN ({', '.join('?' * len(logs))}) ORDER BY seq"
    for delivery, *reply in db.execute(attempts, list(logs)):
        logs[delivery].attempts.append(Reply(*reply))
    return list(logs.values())


def _delivery(row: Sequence[Any]) -> Delivery:
    *first, reach, state, attempts, delivered_at = row
    known = [_REACHES.get(reach, Reach.PUBLIC), _STATES.get(state, DeliveryState.DEAD)]
    return Delivery(*[*first, *known, attempts, delivered_at])
