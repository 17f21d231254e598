"""Group commit, the thread's side: jobs that wait together share one transaction and one fsync.

Each job still fails alone, and no transaction stays open, whatever a job does.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..core.errors import DiskFull, Invalid, PraisonrunError, Unavailable, reason
from .open_files import OpenFiles

LARGEST = 500
"""Jobs that share one transaction, at most: the jobs behind them must not wait too long."""


class Job(NamedTuple):
    """A function that waits for its transaction."""

    answer: asyncio.Future[Any]
    work: Callable[[sqlite3.Connection], Any]
    alone: bool = False
    """Whether it must run outside a transaction."""


class Answer(NamedTuple):
    """The value or the error of a job."""

    job: Job
    value: Any
    error: BaseException | None


class _Shared(Exception):
    """BEGIN or COMMIT failed, or was not tried. No job caused it, and all of them get this error."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class GroupCommit(sqlite3.Connection):
    """A connection whose `commit` runs waiting jobs, on the connection's own thread, until it is stopped.

    It is called once: each call through aiosqlite costs two wake-ups and three iterations of the loop.
    """

    begin = "BEGIN IMMEDIATE"
    waiting: deque[Job]
    taken: list[Job]
    """The jobs of the present transaction; after a failure of `commit`, those that it left unanswered."""
    bell: SimpleQueue[bool]
    """True: jobs wait. False: stop."""
    hand_over: Callable[[list[Answer]], None]
    """Takes the answers of a transaction to the loop."""
    files: OpenFiles
    stopped = False

    def commit(self) -> None:
        """At each ring of the bell, run the waiting jobs in one transaction and hand over their answers."""
        while not self.stopped:
            if self.bell.get():
                self._take()
                together = [job for job in self.taken if not job.alone]
                answers = self._settle(together) if together else []
                answers += [self._run_outside(job) for job in self.taken if job.alone]
                self.hand_over(answers)
            else:
                self.stopped = True

    def _take(self) -> None:
        self.taken = []
        while self.waiting and len(self.taken) < LARGEST:
            self.taken.append(self.waiting[0])  # before it leaves the queue: this may be out of memory
            self.waiting.popleft()

    def _settle(self, jobs: Sequence[Job], *, again: bool = False) -> list[Answer]:
        """Run jobs together. If one of them fails after it wrote, undo all and run them one by one.

        A damaged page is read once more: SQLite says the same of a read that failed.
        """
        try:
            return self._run_together(jobs)
        except _Shared as shared:
            self._undo()
            return [Answer(job, None, self._told(shared.error)) for job in jobs]
        except BaseException as error:
            self._undo()
            if len(jobs) == 1 and (again or not damaged(error)):
                return [Answer(jobs[0], None, self._told(error))]
        return [answer for job in jobs for answer in self._settle([job], again=len(jobs) == 1)]

    def _run_together(self, jobs: Sequence[Job]) -> list[Answer]:
        if refusal := self.refusal():
            raise _Shared(Unavailable(refusal))
        self._execute_shared(self.begin)
        answers = [self._run(job) for job in jobs]
        self._execute_shared("COMMIT")
        self.files.failed = ""
        return answers

    def refusal(self) -> str:
        """Return why no transaction may begin now, or ""."""
        return self.files.refusal()

    def _run(self, job: Job) -> Answer:
        before = self.total_changes
        try:
            return Answer(job, job.work(self), None)
        except PraisonrunError as error:
            if self.total_changes != before:
                raise
            return Answer(job, None, error)

    def _run_outside(self, job: Job) -> Answer:
        try:
            if refusal := self.refusal():
                raise Unavailable(refusal)
            return Answer(job, job.work(self), None)
        except BaseException as error:
            return Answer(job, None, self._told(error))

    def _execute_shared(self, sql: str) -> None:
        try:
            self.execute(sql)
        except sqlite3.Error as error:
            raise _Shared(error) from error

    def _told(self, error: BaseException) -> BaseException:
        """Return what a caller is told of an error. What it says of the files is kept for all."""
        told, files = translated(error), self.files
        if failed_sync(error):
            files.lost = (
                files.lost or "the store failed to write and its state is unknown; restart the server"
            )
        elif damaged(error):
            files.lost = files.lost or files.damage(error)
        elif told is not error and isinstance(told, (DiskFull, Unavailable)):
            files.failed = told.message
        return told

    def _undo(self) -> None:
        """Leave no transaction open. If even that fails, the next BEGIN fails and comes here again."""
        if self.in_transaction:
            with suppress(sqlite3.Error):
                self.execute("ROLLBACK")


def translated(error: BaseException) -> BaseException:
    """Return one of our errors for an error of the disk or of a value, and any other error as it is."""
    if isinstance(error, MemoryError):
        return Unavailable("the store is out of memory", retry_after=5)
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return Invalid(f"a value cannot be stored: {error}")
    if isinstance(error, OSError):  # of a look at the store's files
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return (DiskFull if full else Unavailable)(f"the store failed: {reason(error)}", retry_after=5)
    # SQLite calls a failed read "malformed", and Python raises DatabaseError itself for that.
    if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
        return error
    # The low byte is the kind of error. Errors of Python's own module have no code.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return DiskFull(f"the store cannot grow: {error}; free some space", retry_after=30)
    return Unavailable(f"the store failed: {error}", retry_after=5)


def failed_sync(error: BaseException) -> bool:
    """Say whether an fsync failed. (A failed write is undone, and what was synced before it stays.)"""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)


def damaged(error: BaseException) -> bool:
    """Say whether SQLite met a page that makes no sense."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
