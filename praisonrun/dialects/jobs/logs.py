"""A run's output, byte for byte: all of it, a part, or as it comes. It is a download, never a page."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing, nullcontext

from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.errors import BadRequest, Invalid
from ...engine.engine import Engine
from ...engine.journals import SharedRendering
from ...journal.format import Frame, Kind
from ...journal.last_lines import Place, Show, Timed, is_place, joined, last_lines, output, timed
from ...journal.reader import Reader
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import UNBUFFERED, Stream, StreamLimits
from .queries import LogsQuery, since_of
from .show import FOLLOWED, GONE, RUN

STAMPED = 16 * 1024
"""Bytes of output with times that are sent at once, or few more."""
SLICE = 2048
"""Bytes of output that are stamped at once: each of them may be a line."""
CURSOR = "Praisonrun-Cursor"
_KINDS = {None: {Kind.STDOUT, Kind.STDERR}, "stdout": {Kind.STDOUT}, "stderr": {Kind.STDERR}}
_LOGS = {
    200: Answer("What it printed.", "text/plain", {CURSOR: "Where it begins: `cursor` of a later request."}),
    400: Answer("The cursor names no place in this run's output."),
    **FOLLOWED,
    **GONE,
}
_HEAD = struct.Struct("<QI")
"""What precedes each part of the output that viewers share: its time and its length."""


class Logs:
    """The endpoint."""

    def __init__(self, engine: Engine, limits: StreamLimits) -> None:
        self._engine, self._limits = engine, limits
        self._bare = {name: SharedRendering(_printer(kinds)) for name, kinds in _KINDS.items()}
        self._packed = {name: SharedRendering(_packer(kinds)) for name, kinds in _KINDS.items()}

    @operation("GET", RUN + "/logs", _LOGS, query=LogsQuery)
    async def get_logs(self, request: Request) -> Response:
        """Read a run's output."""
        query = read_query(request, LogsQuery)
        run = await self._engine.row(request.path_params["run_id"])
        self._engine.journals.check(run)
        place, end = await self._part(run.id, query)
        headers = {CURSOR: f"{place.offset}.{place.skip}"}
        if not query.follow:
            printed = self._printed(run.id, query, place, end)
            return Stream(printed, headers=headers, media_type="text/plain")
        coming = self._coming(run.id, query, place)
        text = Stream(coming, headers=headers | UNBUFFERED, media_type="text/plain")
        return self._limits.limited(text, run.id, sse=False)

    async def _part(self, run_id: str, query: LogsQuery) -> tuple[Place, int]:
        """Return where the wanted output begins, and the offset before which it ends."""
        all_of_it = Place(), sys.maxsize
        if query.tail is None and query.since is None and query.cursor is None:
            return all_of_it
        look = _look(query)
        return await asyncio.to_thread(self._engine.files.read, run_id, look) or all_of_it

    async def _printed(self, run_id: str, query: LogsQuery, place: Place, end: int) -> AsyncIterator[bytes]:
        """Yield what has been printed."""
        kinds, show = _KINDS[query.stream], _show(query)
        with self._engine.files.reader(run_id) or nullcontext() as reader:
            for piece in output(reader, kinds, place, end, show) if reader else ():
                if piece:
                    yield piece
                await asyncio.sleep(0)

    async def _coming(self, run_id: str, query: LogsQuery, place: Place) -> AsyncIterator[bytes]:
        """Yield what has been printed, and will be until the run is final."""
        shared, show, skip = (self._packed if query.timestamps else self._bare), _show(query), place.skip
        follow = self._engine.journals.follow(run_id, place.offset, shared[query.stream])
        async with aclosing(follow) as chunks:
            async for chunk in chunks:
                for piece in show(_parts(chunk, skip)) if query.timestamps else [chunk[skip:]]:
                    yield piece
                skip = 0


def _look(query: LogsQuery) -> Callable[[Reader], tuple[Place, int]]:
    """Return what finds the wanted output in a journal. Raises Invalid; it raises BadRequest."""
    since = 0 if query.since is None else since_of(query.since)
    if query.cursor is None:
        return lambda reader: last_lines(reader, _KINDS[query.stream], query.tail, since)
    if since or query.tail is not None:
        raise Invalid("cursor says where the output begins: leave tail and since out", field="cursor")
    place = Place(*map(int, query.cursor.split(".")))

    def checked(reader: Reader) -> tuple[Place, int]:
        if not is_place(reader, place):
            why = f"cursor {query.cursor!r} names no place in the output of this run; start without one"
            raise BadRequest(why, field="cursor")
        return place, sys.maxsize

    return checked


def _show(query: LogsQuery) -> Show:
    return Stamps() if query.timestamps else joined


class Stamps:
    """Puts times before lines: that of its first byte before each. Remembers whether a line is open."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, parts: Timed) -> Iterator[bytes]:
        """Yield some output with times, little of it at once: they may be most of it."""
        held = bytearray()
        for time, data in parts:
            stamp = f"{iso(time)} ".encode()
            for at in range(0, len(data), SLICE):
                lines = data[at : at + SLICE]
                held += b"" if self._open else stamp
                held += lines[:-1].replace(b"\n", b"\n" + stamp) + lines[-1:]
                self._open = not lines.endswith(b"\n")
                if len(held) >= STAMPED:
                    piece, held = bytes(held), bytearray()
                    yield piece
        if held:
            yield bytes(held)


def _printer(kinds: Collection[Kind]) -> Callable[[str, list[Frame]], bytes]:
    return lambda _, frames: b"".join(frame.data for frame in frames if frame.kind in kinds)


def _packer(kinds: Collection[Kind]) -> Callable[[str, list[Frame]], bytes]:
    return lambda _, frames: b"".join(_HEAD.pack(at, len(data)) + data for at, data in timed(frames, kinds))


def _parts(packed: bytes, skip: int) -> Timed:
    """Return the parts that are packed in a chunk, without the first bytes of the first one."""
    found, at = [], 0
    while at < len(packed):
        time, length = _HEAD.unpack_from(packed, at)
        at += _HEAD.size + length
        found.append((time, packed[at - length + skip : at]))
        skip = 0
    return found
