"""Conversations: what agents call their own, which run goes before which, and when they are forgotten."""

from __future__ import annotations

from sqlite3 import Connection

from ..core.conversation import Conversation

_BEFORE = (
    "FROM runs AS before INDEXED BY runs_by_conversation WHERE before.conversation = {0}.conversation "
    "AND before.finished_at IS NULL AND before.seq < {0}.seq"
)
FREE = f"(conversation IS NULL OR NOT EXISTS (SELECT 1 {_BEFORE.format('runs')}))"
"""Of a queued run: no run of its conversation that was submitted before it is unfinished."""
_AHEAD = (
    "SELECT id FROM runs INDEXED BY runs_by_conversation "
    "WHERE conversation = ? AND finished_at IS NULL AND seq < ? ORDER BY seq LIMIT 1"
)
_ABOVE = """
WITH RECURSIVE up (id, parent, conversation, finished_at) AS (
    SELECT id, parent, conversation, finished_at FROM runs WHERE id = ?
    UNION SELECT above.id, above.parent, above.conversation, above.finished_at
    FROM runs AS above JOIN up ON above.id = up.parent
)
SELECT id FROM up WHERE conversation = ? AND finished_at IS NULL LIMIT 1
"""
_PUT = "INSERT OR REPLACE INTO conversations VALUES (?, ?, ?, ?)"
_FORGET = (
    "DELETE FROM conversations WHERE updated_at < ? AND NOT EXISTS "
    "(SELECT 1 FROM runs INDEXED BY runs_by_session WHERE session_id = json_extract(key, '$[1]') "
    "AND conversation = key)"
)
_LAST = (1 << 63) - 1


def get(db: Connection, key: str) -> Conversation | None:
    """Return what is known of a conversation, None for nothing."""
    row = db.execute("SELECT agent_session, made_by_run FROM conversations WHERE key = ?", (key,)).fetchone()
    return row and Conversation._make(row)


def put(db: Connection, key: str, known: Conversation, at: int) -> None:
    """Note what is known of a conversation, and that it was used."""
    db.execute(_PUT, (key, *known, at))


def ahead(db: Connection, key: str, seq: int = _LAST) -> str | None:
    """Return the first unfinished run of a conversation that was submitted before `seq`; None without any."""
    row = db.execute(_AHEAD, (key, seq)).fetchone()
    return row and str(row[0])


def above(db: Connection, key: str, run_id: str) -> str | None:
    """Return an unfinished run of a conversation that a run is, or is below; None without any."""
    row = db.execute(_ABOVE, (run_id, key)).fetchone()
    return row and str(row[0])


def forget(db: Connection, before: int) -> None:
    """Forget the conversations that have no run any more and were used last before a time."""
    db.execute(_FORGET, (before,))


def let_go(db: Connection) -> None:
    """Leave all conversations to another store: whoever continues one begins it anew, and says so."""
    db.execute("UPDATE conversations SET agent_session = ''")
