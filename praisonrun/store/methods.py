"""Methods of the store that are functions of a database connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from .connection import Connection

P = ParamSpec("P")
T = TypeVar("T")
Work: TypeAlias = Callable[Concatenate[sqlite3.Connection, P], T]
"""A function that runs in a transaction of its first argument."""


class Connections:
    """The two connections of a store."""

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer, self._reader = writer, reader

    async def _read(self, work: Work[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await self._reader.run(lambda db: work(db, *args, **named))

    async def _write(self, work: Work[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await self._writer.run(lambda db: work(db, *args, **named))


Method: TypeAlias = Callable[Concatenate[Connections, P], Coroutine[Any, Any, T]]


def reading(work: Work[P, T]) -> Method[P, T]:
    """Return a method that runs `work` on the connection that reads."""

    @wraps(work)
    async def method(self: Connections, /, *args: P.args, **named: P.kwargs) -> T:
        return await self._read(work, *args, **named)

    return method


def writing(work: Work[P, T]) -> Method[P, T]:
    """Return a method that runs `work` on the connection that writes, and returns once it is on the disk."""

    @wraps(work)
    async def method(self: Connections, /, *args: P.args, **named: P.kwargs) -> T:
        return await self._write(work, *args, **named)

    return method
