"""The store: every run, key, agent version and owed webhook, in one SQLite file. The only SQL is here.

One connection writes and checkpoints; a read-only one reads. A write returns once it is on the disk, and
writes that wait together share one commit. Every status is written by `change` and `claim`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from ..core import clock
from ..core.agent import Agent
from ..core.errors import PraisonrunError, Unavailable
from ..core.model import Status
from . import activity as counters
from . import asks, changes, conversations, database, deliveries, ids, lists, pauses, reads, writes
from . import usage as using
from . import versions as entries
from .activity import HOUR, Activity, Ended
from .asks import Unsettled
from .connection import Connection, Connections, reading, writing
from .directory import hold, settle
from .group_commit import GroupCommit
from .open_files import OpenFiles
from .pauses import ALL
from .types import GIVEN_BYTES, Added, DeliveryLog, Find, Key, Page, Sizes, StoredVersion, given
from .usage import Usage

__all__ = [
    "ALL",
    "GIVEN_BYTES",
    "HOUR",
    "Activity",
    "Added",
    "DeliveryLog",
    "Ended",
    "Find",
    "Key",
    "Outbox",
    "Page",
    "Sizes",
    "Store",
    "StoredVersion",
    "Unsettled",
    "Usage",
    "given",
]

SEEN = 1000
"""Agents whose version is in memory; edits, crews and inline files make new ones all the time."""


class ReadOnly(GroupCommit):
    """The connection that reads: its transactions see one state of the database."""

    begin = "BEGIN"

    def refusal(self) -> str:
        """Return why reading would kill this process, or "": what has lost its name can still be read."""
        return self.files.cut_index()


class Outbox(Connections):
    """The deliveries of a store. Every method may raise Unavailable; every write also DiskFull."""

    of_run = reading(deliveries.of_run)
    find = reading(deliveries.find)
    due = reading(deliveries.due)
    next_due = reading(deliveries.next_due)
    hasten = writing(deliveries.hasten)
    record = writing(deliveries.record)
    replay = writing(deliveries.change)
    replay_dead = writing(deliveries.replay_dead)


class Store(Connections):
    """The store. Every method may raise Unavailable; every write also DiskFull.

    A method is the function that it names, run in a transaction. A caller that is cancelled while it
    waits may have written or not; nothing is left half done.
    """

    add = writing(writes.add)
    change = writing(writes.change)
    settle = writing(writes.settle)
    change_tree = writing(writes.change_tree)
    change_trees = writing(writes.change_trees)
    release = writing(writes.release)
    claim = writing(writes.claim)
    hasten = writing(writes.hasten)
    delete = writing(writes.delete)

    get = reading(reads.get)
    get_full = reading(reads.get_full)
    get_prompted = reading(reads.get_prompted)
    _page = reading(lists.find)
    named = reading(reads.named)
    running = reading(reads.running)
    next_due = reading(reads.next_due)
    waiting = reading(reads.waiting)
    overtaking = reading(reads.overtaking)
    queued = reading(reads.queued)
    totals_by_agent = reading(reads.totals_by_agent)

    ids_ending = reading(ids.ending)
    newest_ids = reading(ids.newest)

    activity = reading(counters.activity)
    forget_activity = writing(counters.forget)
    usage = reading(using.usage)

    paused = reading(pauses.paused)
    pause = writing(pauses.pause)
    resume = writing(pauses.resume)

    ask = writing(asks.ask)
    answer = writing(asks.answer)
    expire = writing(asks.expire)
    note_delivered = writing(asks.delivered)
    unsettled = reading(asks.unsettled)
    settled_questions = reading(asks.settled)
    questions = reading(asks.of_run)
    open_questions = reading(asks.open_of)
    open_asks = reading(asks.open_ids)

    conversation = reading(conversations.get)
    ahead = reading(conversations.ahead)
    forget_conversations = writing(conversations.forget)

    changed_since = reading(changes.since)
    latest_ends = reading(changes.latest_ends)
    rev_before = reading(changes.rev_before)
    touch = writing(changes.touch)

    version = reading(entries.get)
    versions = reading(entries.of_agent)
    concurrency = reading(entries.concurrency)
    agents_seen = reading(entries.agents_seen)
    _see = writing(entries.see)
    mark_installed = writing(entries.mark_installed)

    oldest = reading(reads.oldest)
    known = reading(reads.known)
    removed = reading(reads.removed)
    forget_removed = writing(writes.forget_removed)
    expired_scratches = reading(reads.expired_scratches)
    forget_scratches = writing(writes.forget_scratches)
    prune = writing(writes.prune)
    used_bytes = reading(reads.used_bytes)
    stored_sizes = reading(reads.stored_sizes)
    old_versions = reading(entries.old)
    versions_of_runs = reading(entries.of_runs)
    crews_of_versions = reading(entries.crews)
    delete_versions = writing(entries.delete)

    def __init__(
        self, store: str, path: Path, files: OpenFiles, writer: Connection, reader: Connection
    ) -> None:
        super().__init__(writer, reader)
        self._files = files
        self.id = store
        """16 hex digits, made with the state directory; a copy has another."""
        self.outbox = Outbox(writer, reader)
        self._path = path
        self._schema = len(database.scripts())
        self._seen: dict[int, tuple[Agent, str]] = {}
        self._lately: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, adopt: Callable[[str], int] | None = None) -> AsyncIterator[Store]:
        """Lock a state directory, migrate its database and serve it; at the end run what waits, and close.

        `adopt` says how long a run's journal is: with it, a copied directory becomes a store of its own.
        Raises ConfigError if the directory or the file cannot be used, and for a copy.
        """
        files = OpenFiles(directory)
        with hold(directory) as path, files.held():
            uri, prepare = path.as_uri(), partial(database.prepare_writer, path=path)
            async with (
                Connection.open(f"{uri}?mode=rw", GroupCommit, prepare, files) as writer,
                Connection.open(f"{uri}?mode=ro", ReadOnly, database.prepare_reader, files) as reader,
            ):
                store = await writer.run(partial(settle, database=path, at=clock.now(), adopt=adopt))
                files.look()
                try:
                    yield cls(store, path, files, writer, reader)
                finally:
                    if files.torn or files.lost:  # the last to close would write into the database
                        await writer.close()

    def when_written(self, ring: Callable[[], None]) -> None:
        """Have this called on the loop after each transaction of a write, once others can read it."""
        self._writer.written = ring

    async def find(self, wanted: Find) -> Page:
        """Return a page of runs, newest first; without prompt and input unless they are wanted.

        A page with them ends after GIVEN_BYTES.
        """
        if wanted.text is None:
            return await self._page(wanted)
        search = lists.Search(wanted)
        while not search.over:  # in steps, so that others can read between them
            await self._reader.run(search.look)
        return await self._reader.run(partial(search.page, size=wanted.page_size))

    async def see_version(self, agent: Agent, at: int) -> str:
        """Store an agent's entry, once, and return its digest. Reads nothing for an object seen before."""
        known = self._seen.get(id(agent))
        if known is not None:
            return known[1]
        digest = agent.version
        self._lately.add(digest)
        await self._see(agent, digest, at)
        if len(self._seen) >= SEEN:
            self._seen.clear()
        # The agent is kept beside its id, so that no other object can take that id.
        self._seen[id(agent)] = (agent, digest)
        return digest

    def forget_seen(self) -> set[str]:
        """Return the versions that were looked up since the last call; look all of them up again from now."""
        lately, self._lately = self._lately, set()
        self._seen.clear()
        return lately

    def seen_lately(self, digest: str) -> bool:
        """Say whether a version was looked up since the last `forget_seen`."""
        return digest in self._lately

    async def totals(self) -> dict[Status, int]:
        """Return how many runs there are of each status."""
        by_agent = await self.totals_by_agent()
        return {status: sum(of.get(status, 0) for of in by_agent.values()) for status in Status}

    async def checkpoint(self) -> bool:
        """Empty the -wal file if it is over 64 MiB; return whether it was. To be called now and then."""
        if self.sizes().wal_bytes <= database.WAL_LIMIT:
            return False
        await self._writer.checkpoint()
        return True

    @property
    def lost(self) -> str:
        """Why nothing more is written and only a restart shows what is stored, or ""."""
        return self._files.lost

    def check(self) -> None:
        """Raise Unavailable where nothing can be acknowledged."""
        if refusal := self._files.refusal():
            raise Unavailable(refusal)

    async def problems(self) -> list[str]:
        """Return what keeps the store from writing, and what to do about it."""
        if self._files.failed:
            with suppress(PraisonrunError):  # try once more: space may have come back
                await self._writer.run(lambda db: db.execute("UPDATE place SET path = path"))
        found = self._files.lost, self._files.look(), self._files.failed
        return [problem for problem in found if problem]

    def sizes(self) -> Sizes:
        """Return the bytes of the files, and the versions of the schema and of SQLite."""
        wal = self._path.with_name(f"{self._path.name}-wal")
        return Sizes(_bytes(self._path), _bytes(wal), self._schema, sqlite3.sqlite_version)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
