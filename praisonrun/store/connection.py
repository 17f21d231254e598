"""Group commit, the loop's side: functions wait for the next transaction of a connection.

aiosqlite owns the connection's thread, where `GroupCommit.commit` runs all that waits at each ring of its
bell. So a transaction costs one change of threads there and back, and one fsync, for any number of functions.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps
from queue import SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import aiosqlite
import anyio

from ..core.errors import PraisonrunError, Unavailable
from .group_commit import Answer, GroupCommit, Job
from .open_files import OpenFiles

log = logging.getLogger("praisonrun")
P = ParamSpec("P")
T = TypeVar("T")
Work: TypeAlias = Callable[Concatenate[sqlite3.Connection, P], T]
"""A function that runs in a transaction of its first argument."""
STOPPED = "the store stopped; restart the server"
Prepare: TypeAlias = Callable[[GroupCommit], None]


class Connection:
    """A database connection that the loop uses."""

    def __init__(self, files: OpenFiles) -> None:
        self._files = files
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._busy = False
        self._closed = False
        self._fault: Exception | None = None
        self.written: Callable[[], None] = lambda: None
        """Called after each transaction, before its answers are handed out."""
        self._db: aiosqlite.Connection
        self._thread_side: GroupCommit
        self._commit: asyncio.Task[None]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, uri: str, kind: type[GroupCommit], prepare: Prepare, files: OpenFiles
    ) -> AsyncIterator[Connection]:
        """Open `uri` and let `prepare` set it up on its thread; at the end run what waits, then close."""
        connection = cls(files)
        factory = partial(connection._made, kind, prepare)
        opening = aiosqlite.connect(uri, uri=True, isolation_level=None, factory=factory)
        opening._thread.daemon = True  # a start that fails and cannot clean up must end, too
        connection._db = await opening
        try:
            if connection._fault is not None:
                raise connection._fault
            connection._serve()
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()

    def _made(self, kind: type[GroupCommit], prepare: Prepare, *args: Any, **named: Any) -> GroupCommit:
        made = self._thread_side = kind(*args, **named)
        made.waiting, made.bell, made.taken = self._waiting, self._bell, []
        made.hand_over, made.files = self._from_thread, self._files
        try:
            prepare(made)
        except Exception as error:
            self._fault = error  # `open` raises it once it can close the thread in good order
        return made

    async def run(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Run `work` on the connection's thread, and return once its transaction is committed.

        `alone` runs it between two transactions. A caller that is cancelled meanwhile leaves its work in
        the queue: it will still be done. Raises what `work` raises, DiskFull and Unavailable.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        return await self._put(work, alone=alone)

    def _put(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> asyncio.Future[T]:
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(Job(answer, work, alone))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._bell.put, True)  # later, so that all who come now go together
        return answer

    async def checkpoint(self) -> None:
        """Move the whole -wal file into the database and empty it."""
        await self.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(), alone=True)

    def _serve(self) -> None:
        self._commit = self._loop.create_task(self._db.commit())
        self._commit.add_done_callback(self._ended)

    def _ended(self, commit: asyncio.Task[None]) -> None:
        """Start the thread's call again if its task was cancelled, perhaps before the thread saw it."""
        if commit.cancelled():
            self._serve()
            return
        if (error := commit.exception()) is not None:
            log.critical("the store stopped", exc_info=error)
            self._files.lost = STOPPED
        self._closed = True
        unanswered = [*self._thread_side.taken, *self._waiting]  # else they would wait for ever
        self._waiting.clear()
        for job in unanswered:
            _hand_out(Answer(job, None, Unavailable(STOPPED)))

    def _from_thread(self, answers: list[Answer]) -> None:
        self._loop.call_soon_threadsafe(self._settled, answers)

    def _settled(self, answers: list[Answer]) -> None:
        self._busy = False
        if self._waiting:  # before the answers are handed out: the disk shall be busy while the loop is
            self._busy = True
            self._bell.put(True)
        self.written()
        for answer in answers:
            _hand_out(answer)

    async def close(self) -> None:
        """Run all that waits, then close: when the last job is answered, every job before it was run."""
        if self._fault is None and not self._closed:
            self._closed = True
            with suppress(PraisonrunError):
                await self._put(lambda _: None)
            self._bell.put(False)
        await self._db.close()


def _hand_out(answer: Answer) -> None:
    future = answer.job.answer
    if future.done():
        return
    if answer.error is None:
        future.set_result(answer.value)
    else:
        future.set_exception(answer.error)


class Connections:
    """The two connections of a store."""

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer, self._reader = writer, reader


Method: TypeAlias = Callable[Concatenate[Connections, P], Coroutine[Any, Any, T]]


def reading(work: Work[P, T]) -> Method[P, T]:
    """Return a method that runs `work` on the connection that reads."""

    @wraps(work)
    async def method(self: Connections, /, *args: P.args, **named: P.kwargs) -> T:
        return await self._reader.run(lambda db: work(db, *args, **named))

    return method


def writing(work: Work[P, T]) -> Method[P, T]:
    """Return a method that runs `work` on the connection that writes, and returns once it is on the disk."""

    @wraps(work)
    async def method(self: Connections, /, *args: P.args, **named: P.kwargs) -> T:
        return await self._writer.run(lambda db: work(db, *args, **named))

    return method
