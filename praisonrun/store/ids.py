"""Which runs a person means who writes the end of an id, or how new a run is."""

from __future__ import annotations

from sqlite3 import Connection

NEWEST = 100_000
"""Runs whose ids are compared: so many are read in some hundredths of a second."""


def ending(db: Connection, text: str, limit: int) -> list[str]:
    """Return the id that is `text`, else at most `limit` of the newest runs' that end so, newest first."""
    if db.execute("SELECT 1 FROM runs WHERE id = ?", (text,)).fetchone():
        return [text]
    newest = "SELECT id, seq FROM runs ORDER BY seq DESC LIMIT ?1"
    sql = f"SELECT id FROM ({newest}) WHERE substr(id, -length(?2)) = ?2 ORDER BY seq DESC LIMIT ?3"  # noqa: S608
    return [run_id for (run_id,) in db.execute(sql, (NEWEST, text, limit))]


def newest(db: Connection, count: int, skip: int = 0) -> list[tuple[str, str, str]]:
    """Return id, agent and title of the newest runs that are no services, without the first `skip`."""
    sql = "SELECT id, agent, title FROM runs WHERE mode = 'run' ORDER BY seq DESC LIMIT ? OFFSET ?"
    return db.execute(sql, (count, skip)).fetchall()
