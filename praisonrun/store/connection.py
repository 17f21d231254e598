"""Group commit, the loop's side: a line in which functions of a connection wait for the next transaction.

aiosqlite owns the thread, on which `Batch.commit` serves all that waits at a ring of its bell: a batch
costs one hop there and back and one fsync, however many functions it has.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import aiosqlite
import anyio

from ..core.errors import PraisonrunError, Unavailable
from .group_commit import Answer, Batch, Job

T = TypeVar("T")


class Line:
    """Functions that wait for a Batch, and whoever waits for their answers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._busy = False
        self._closed = False
        self._fault: Exception | None = None
        self._db: aiosqlite.Connection
        self._batch: Batch
        self._commit: asyncio.Task[None]

    @classmethod
    @asynccontextmanager
    async def open(cls, uri: str, kind: type[Batch], prepare: Callable[[Batch], None]) -> AsyncIterator[Line]:
        """Open `uri`, let `prepare` set the connection up on its thread, and drain and close it at the end.

        Raises what `prepare` raises.
        """
        line = cls()
        connector = line._connector(kind, prepare)
        line._db = await aiosqlite.connect(uri, uri=True, isolation_level=None, factory=connector)
        try:
            if line._fault is not None:
                raise line._fault
            line._serve()
            yield line
        finally:
            with anyio.CancelScope(shield=True):
                await line._close()

    def _connector(self, kind: type[Batch], prepare: Callable[[Batch], None]) -> Callable[..., Batch]:
        def connected(*args: Any, **kwargs: Any) -> Batch:
            batch = self._batch = kind(*args, **kwargs)
            batch.waiting, batch.bell = self._waiting, self._bell
            batch.settled = self._from_thread
            try:
                prepare(batch)
            except Exception as error:
                self._fault = error  # raised once the thread can be closed in good order
            return batch

        return connected

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the connection's thread, within a transaction, and return once that is committed.

        A caller that is cancelled meanwhile leaves its work in the line: it will still be done. Raises what
        `work` raises, DiskFull and Unavailable.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        return await self._put(work)

    def _put(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> asyncio.Future[T]:
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(Job(answer, work, alone))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._bell.put, True)  # so that all who come in this turn go together
        return answer

    @property
    def lost(self) -> bool:
        """Whether an fsync failed: nothing is written any more."""
        return self._batch.lost

    async def checkpoint(self) -> None:
        """Move the whole -wal into the database and empty it, between two transactions."""
        if self._closed:
            raise Unavailable("the store is closed")
        await self._put(_checkpoint, alone=True)

    def _serve(self) -> None:
        self._commit = self._loop.create_task(self._db.commit())
        self._commit.add_done_callback(self._ended)

    def _ended(self, commit: asyncio.Task[None]) -> None:
        """See to it that the thread serves, or that nobody waits for it.

        A task that is cancelled early may never have come to the thread.
        """
        if self._closed:
            return
        if commit.cancelled():
            self._serve()
            return
        self._closed = True
        while self._waiting:
            _hand_out(
                Answer(self._waiting.popleft(), None, Unavailable("the store stopped; restart the server"))
            )

    def _from_thread(self, answers: list[Answer]) -> None:
        self._loop.call_soon_threadsafe(self._settled, answers)

    def _settled(self, answers: list[Answer]) -> None:
        self._busy = False
        if self._waiting:  # before the answers are handed out: the disk is to be busy while the loop is
            self._busy = True
            self._bell.put(True)
        for answer in answers:
            _hand_out(answer)

    async def _close(self) -> None:
        """Answer all that waits, then close: what comes last has everything before it behind it."""
        if self._fault is None and not self._closed:
            self._closed = True
            with suppress(PraisonrunError):
                await self._put(lambda _: None)
            self._bell.put(False)
        await self._db.close()


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _hand_out(answer: Answer) -> None:
    future = answer.job.answer
    if future.done():
        return
    if answer.error is None:
        future.set_result(answer.value)
    else:
        future.set_exception(answer.error)
