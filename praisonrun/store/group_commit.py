"""Group commit, the thread's side: what waits shares one transaction and one fsync, and fails alone.

A transaction never stays open, whatever a function does. See `line` for who waits.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..core.errors import DiskFull, Invalid, PraisonrunError, Unavailable

LARGEST = 500
"""Functions that share one transaction at most: the others should not wait for ever."""


class Job(NamedTuple):
    """A function that waits for its transaction."""

    answer: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], Any]
    alone: bool = False
    """Whether it wants no transaction around it."""


class Answer(NamedTuple):
    """What a job came to: a value, or an error."""

    job: Job
    value: Any
    error: BaseException | None


class _Shared(Exception):
    """BEGIN or COMMIT failed: nobody's function is at fault, and everybody is told."""

    def __init__(self, error: sqlite3.Error) -> None:
        self.error = error


class Batch(sqlite3.Connection):
    """A connection whose commit() serves what waits, on the connection's own thread, until told to stop.

    One call for all its life: through aiosqlite each call costs two wake-ups of the loop and three turns.
    """

    begin = "BEGIN IMMEDIATE"
    waiting: deque[Job]
    bell: SimpleQueue[bool]
    """True: something waits. False: stop."""
    settled: Callable[[list[Answer]], None]
    """Takes the answers of a batch to the loop."""
    stopped = False
    lost = False
    """An fsync failed: what is on the disk is unknown until the next start."""

    def commit(self) -> None:
        """Whenever the bell rings, run the waiting jobs in one transaction and hand over their answers."""
        while not self.stopped:
            if self.bell.get():
                jobs = [self.waiting.popleft() for _ in range(min(len(self.waiting), LARGEST))]
                together = [job for job in jobs if not job.alone]
                answers = self._settle(together) if together else []
                self.settled(answers + [self._alone(job) for job in jobs if job.alone])
            else:
                self.stopped = True

    def _settle(self, jobs: Sequence[Job]) -> list[Answer]:
        """Run jobs together; after a failure that is not everybody's, one by one."""
        try:
            return self._together(jobs)
        except _Shared as shared:
            self._undo()
            return [Answer(job, None, told(shared.error)) for job in jobs]
        except BaseException as error:
            self._undo()
            if len(jobs) == 1:
                return [Answer(jobs[0], None, told(error))]
        return [answer for job in jobs for answer in self._settle([job])]

    def _together(self, jobs: Sequence[Job]) -> list[Answer]:
        if self.lost:
            raise Unavailable("the store failed to write and its state is unknown; restart the server")
        self._share(self.begin)
        answers = [self._attempt(job) for job in jobs]
        self._share("COMMIT")
        return answers

    def _alone(self, job: Job) -> Answer:
        try:
            return Answer(job, job.work(self), None)
        except BaseException as error:
            self.lost = self.lost or failed_sync(error)
            return Answer(job, None, told(error))

    def _attempt(self, job: Job) -> Answer:
        before = self.total_changes
        try:
            return Answer(job, job.work(self), None)
        except PraisonrunError as error:
            if self.total_changes != before:
                raise
            return Answer(job, None, error)

    def _share(self, sql: str) -> None:
        try:
            self.execute(sql)
        except sqlite3.Error as error:
            self.lost = self.lost or failed_sync(error)
            raise _Shared(error) from error

    def _undo(self) -> None:
        """Leave no transaction open; should even that fail, the next BEGIN fails and comes here again."""
        if self.in_transaction:
            with suppress(sqlite3.Error):
                self.execute("ROLLBACK")


def told(error: BaseException) -> BaseException:
    """Return the error as a user should meet it."""
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return Invalid(f"a value cannot be stored: {error}")
    # DatabaseError itself is "malformed", to which a read comes that the disk refused.
    if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
        return error
    if _is(error, sqlite3.SQLITE_FULL):
        return DiskFull(f"the store cannot grow: {error}; free some space", retry_after=30)
    return Unavailable(f"the store failed: {error}", retry_after=5)


def failed_sync(error: BaseException) -> bool:
    """Say whether an fsync failed. A write that failed is undone, and what was synced before it stands."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)


def _is(error: BaseException, code: int) -> bool:
    # The low byte is the kind; errors of Python's own module have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == code
