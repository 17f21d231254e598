"""Pauses: agents whose queued runs wait until somebody resumes them."""

from __future__ import annotations

from sqlite3 import Connection

ALL = "*"
"""Stands for every agent; no agent has this name."""


def paused(db: Connection) -> dict[str, int]:
    """Return since when each paused agent is; ALL may be among them."""
    return dict(db.execute("SELECT agent, since FROM pauses").fetchall())


def pause(db: Connection, agent: str, at: int) -> None:
    """Note that an agent, or ALL, is paused. One that is already stays so since then."""
    db.execute("INSERT INTO pauses VALUES (?, ?) ON CONFLICT DO NOTHING", (agent, at))


def resume(db: Connection, agent: str) -> None:
    """Forget the pause of an agent; of ALL, every pause."""
    db.execute("DELETE FROM pauses WHERE agent = ? OR ? = ?", (agent, agent, ALL))
