"""A store with much in it, made in seconds: one real finished run, copied whole by SQLite itself."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from praisonrun.store.directory import DATABASE

from ..rigs.harness import Server
from .client import Client, post, until_final
from .place import Bench

SECOND = 1_000_000
"""In the unit of a row's times."""


async def filled(bench: Bench, count: int, *flags: str) -> Server:
    """Return a server, not running, that knows `count` finished runs."""
    server = bench.new_server(*flags)
    server.start()
    client = await Client.connect(server.port)
    answer = await client.ask(post(server.port, "/api/v1/runs", {"agent": "noop", "prompt": "x"}, key=True))
    assert answer.status == 202, answer
    run_id = answer.body.partition(b'"job_id":"')[2].partition(b'"')[0].decode()
    await until_final(client, server.port, run_id)
    client.close()
    server.stop()
    fill(server.state / DATABASE, count)
    return server


def name(number: int) -> str:
    """Return the id of a copy: 1 is the oldest."""
    return f"run_{number:032x}"


def fill(database: Path, count: int) -> None:
    """Put so many copies of the only run in its place, each a second younger than the one before."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = MEMORY")  # the server turns the log on again
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -500000")
        names = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
        copied = ", ".join(_copied(column, count) for column in names)
        db.execute("CREATE TEMP TABLE one AS SELECT * FROM runs")
        db.execute("BEGIN")
        db.execute(
            "WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ?) "
            f"INSERT INTO runs ({', '.join(names)}) SELECT {copied} "
            "FROM copies CROSS JOIN one",
            (count,),
        )
        db.execute("DELETE FROM runs WHERE seq = (SELECT min(seq) FROM runs)")
        db.execute("COMMIT")
        assert db.execute("SELECT sum(n) FROM counts").fetchone() == (count,)
    written = os.open(database, os.O_RDWR)
    os.fsync(written)  # now, not while something is measured
    os.close(written)


def _copied(column: str, count: int) -> str:
    """Return what a column of a copy holds: the names are its own, the times are shifted, else the same."""
    if column.endswith("_at"):
        return f"one.{column} - ({count} - n) * {SECOND}"
    own = {
        "seq": "one.seq + n",
        "rev": "one.rev + n",
        "id": "printf('run_%032x', n)",
        "key": "printf('bulk-%d', n)",
    }
    return own.get(column, f"one.{column}")
