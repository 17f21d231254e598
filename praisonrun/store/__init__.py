"""The store: every run, key, agent version and owed webhook, in one SQLite file. The only SQL is here.

One connection writes and checkpoints; a read-only one reads. A write has returned once it is on the
disk, and writes that wait together share one commit. Every status is written by `change` and `claim`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from ..core.model import Agent, Delivery, Run, Status
from . import migrations, reads, versions, writes
from .connection import Line
from .deliveries import Outbox, owed
from .directory import hold
from .group_commit import Batch
from .migrations import WAL_LIMIT
from .pruning import Shelf
from .rows import FULL
from .types import Added, DeliveryLog, Find, Key, Page, Sizes, StoredVersion

__all__ = ["Added", "DeliveryLog", "Find", "Key", "Outbox", "Page", "Sizes", "Store", "StoredVersion"]

SEEN = 1000
"""Agents that need no look at the disk; edits, crews and inline files make new ones all the time."""


class _Reader(Batch):
    begin = "BEGIN"


class Store:
    """The public face. Every method may raise Unavailable; every write also DiskFull.

    A caller that is cancelled while it waits may have written or not; nothing is left half done.
    """

    def __init__(self, path: Path, writer: Line, reader: Line) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self.outbox = Outbox(writer, reader)
        self.shelf = Shelf(writer, reader)
        self._schema = len(migrations.scripts())
        self._seen: dict[int, tuple[Agent, str]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path) -> AsyncIterator[Store]:
        """Hold a state directory, migrate its database and serve it; drain and close at the end.

        Raises ConfigError when the directory or the file cannot be used.
        """
        with hold(directory) as path:
            uri, prepare = path.as_uri(), partial(migrations.prepare_writer, path=path)
            async with (
                Line.open(f"{uri}?mode=rw", Batch, prepare) as writer,
                Line.open(f"{uri}?mode=ro", _Reader, migrations.prepare_reader) as reader,
            ):
                yield cls(path, writer, reader)

    async def add(self, run: Run, *, key: Key | None, fingerprint: str | None, queue_limit: int) -> Added:
        """Keep a new run with its key, or return the run that the key already names.

        Raises KeyReused for another payload, QueueFull when the run is to be queued and `queue_limit` are,
        WrongState for an id that exists, Invalid for text that is no Unicode.
        """
        return await self._writer.run(lambda db: writes.add(db, run, key, fingerprint, queue_limit))

    async def change(
        self,
        run_id: str,
        decide: Callable[[Run], Run],
        *,
        deliver: Callable[[Run], Delivery | None] | None = None,
    ) -> Run:
        """Apply one decision inside the transaction and return the run it made.

        `decide` is pure, sees the run without prompt and input, and may be called again after an error of
        somebody else. A run that becomes final owes what `deliver` makes of it: by default one delivery to
        its webhook_url. Raises NotFound and what `decide` raises.
        """
        return await self._writer.run(lambda db: writes.change(db, run_id, decide, deliver or owed))

    async def change_tree(self, run_id: str, decide: Callable[[Run], Run]) -> list[Run]:
        """Apply one decision to a run and to each of its descendants that is not final, in one transaction.

        Returns what it made of them, the run itself first. Raises what `change` does.
        """
        return await self._writer.run(lambda db: writes.change_tree(db, run_id, decide, owed))

    async def release(self, run_id: str, decide: Callable[[Run], Run], prompt: str, given: str | None) -> Run:
        """Apply a decision that lets a held run go, and give it its prompt and input. Raises as `change`."""
        return await self._writer.run(lambda db: writes.release(db, run_id, decide, prompt, given))

    async def claim(self, limit: int, at: int, boot: str, free: Callable[[str, int], bool]) -> list[Run]:
        """Claim up to `limit` runs due at `at`: higher priority first, then the older; with their input.

        `free(agent, taken)` says whether one more run of an agent may be claimed after `taken` here; it is
        called on the writer's thread, so it should only read.
        """
        return await self._writer.run(lambda db: writes.claim(db, limit, at, boot, free))

    async def delete(self, run_id: str) -> None:
        """Delete a final run with its key and deliveries. Raises NotFound, or WrongState for a live one."""
        await self._writer.run(lambda db: writes.delete(db, run_id))

    async def see_version(self, agent: Agent, at: int) -> str:
        """Keep an agent's entry, once, and return its digest. Free when the same object was seen before."""
        known = self._seen.get(id(agent))
        if known is not None:
            return known[1]
        digest = agent.version
        await self._writer.run(lambda db: versions.see(db, agent, digest, at))
        if len(self._seen) >= SEEN:
            self._seen.clear()
        # The agent is kept beside its id, so that no other object can take that id.
        self._seen[id(agent)] = (agent, digest)
        return digest

    async def get(self, run_id: str) -> Run:
        """Return a run without prompt and input. Raises NotFound."""
        return await self._reader.run(lambda db: reads.get(db, run_id))

    async def get_full(self, run_id: str) -> Run:
        """Return a run with prompt and input. Raises NotFound."""
        return await self._reader.run(lambda db: reads.get(db, run_id, FULL))

    async def find(self, wanted: Find) -> Page:
        """Return a page of runs, newest first; without prompt and input unless they are wanted."""
        return await self._reader.run(lambda db: reads.find(db, wanted))

    async def find_key(self, key: Key) -> tuple[str, str] | None:
        """Return the (fingerprint, run id) that a key names, if any."""
        return await self._reader.run(lambda db: reads.find_key(db, key))

    async def running(self) -> list[Run]:
        """Return the running runs with their input, oldest first: what recovery starts from."""
        return await self._reader.run(reads.running)

    async def next_due(self, at: int) -> int | None:
        """Return the first time after `at` at which a queued run is due."""
        return await self._reader.run(lambda db: reads.next_due(db, at))

    async def waiting(self) -> bool:
        """Say whether runs are queued that are not held."""
        return await self._reader.run(reads.waiting)

    async def queued(self) -> int:
        """Return how many runs are queued, held ones too."""
        return await self._reader.run(reads.queued)

    async def totals(self) -> dict[Status, int]:
        """Return how many runs there are of each status."""
        by_agent = await self.totals_by_agent()
        return {status: sum(of.get(status, 0) for of in by_agent.values()) for status in Status}

    async def totals_by_agent(self) -> dict[str, dict[Status, int]]:
        """Return how many runs each agent has of each status that it has."""
        return await self._reader.run(reads.totals)

    async def version(self, digest: str) -> StoredVersion:
        """Return an agent's entry as it was. Raises NotFound."""
        return await self._reader.run(lambda db: versions.get(db, digest))

    async def versions(self, agent: str) -> list[StoredVersion]:
        """Return every entry that an agent had, the latest first."""
        return await self._reader.run(lambda db: versions.of_agent(db, agent))

    async def agents_seen(self) -> dict[str, tuple[int, int]]:
        """Return when the first and the latest entry of every agent was seen."""
        return await self._reader.run(versions.agents)

    async def mark_installed(self, digest: str, at: int) -> None:
        """Note that the install command of an agent's entry ran well."""
        await self._writer.run(lambda db: versions.mark_installed(db, digest, at))

    async def checkpoint(self) -> bool:
        """Empty the -wal file when it is over 64 MiB; say whether it was. To be called now and then."""
        if self.sizes().wal_bytes <= WAL_LIMIT:
            return False
        await self._writer.checkpoint()
        return True

    @property
    def lost(self) -> bool:
        """Whether the disk failed to keep what it was given: only a restart tells what is there."""
        return self._writer.lost

    def sizes(self) -> Sizes:
        """Return the bytes of the files and the versions behind them."""
        wal = self._path.with_name(f"{self._path.name}-wal")
        return Sizes(_bytes(self._path), _bytes(wal), self._schema, sqlite3.sqlite_version)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
