"""The jobs dialect's logs: a run's output, byte for byte, as it is or as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, nullcontext

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...engine.engine import Engine
from ...engine.follow import SharedRendering
from ...journal.format import START, Frame, Kind
from ...journal.results import last_lines
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import UNBUFFERED, StreamLimits
from .answers import BAD_QUERY, BUSY, NOT_FOUND, RUN
from .models import LogsQuery

_OUTPUT = {
    None: frozenset({Kind.STDOUT, Kind.STDERR}),
    "stdout": frozenset({Kind.STDOUT}),
    "stderr": frozenset({Kind.STDERR}),
}


class Logs:
    """The endpoint."""

    def __init__(self, engine: Engine, limits: StreamLimits) -> None:
        self._engine, self._limits = engine, limits
        self._renderings = {kinds: SharedRendering(_printer(kinds)) for kinds in _OUTPUT.values()}

    @operation(
        "GET",
        RUN + "/logs",
        {200: Answer("What it printed.", "text/plain"), **NOT_FOUND, **BAD_QUERY, **BUSY},
        query=LogsQuery,
    )
    async def get_logs(self, request: Request) -> Response:
        """Read a run's output."""
        query = read_query(request, LogsQuery)
        run_id = (await self._engine.get(request.path_params["run_id"])).run.id
        printed = self._printed(run_id, _OUTPUT[query.stream], query)
        headers = UNBUFFERED if query.follow else None
        text = StreamingResponse(printed, headers=headers, media_type="text/plain; charset=utf-8")
        return self._limits.limited(text, run_id, sse=False) if query.follow else text

    async def _printed(self, run_id: str, kinds: frozenset[Kind], query: LogsQuery) -> AsyncIterator[bytes]:
        offset, rendering = START, self._renderings[kinds]
        with self._engine.files.reader(run_id) or nullcontext() as reader, rendering.viewed(run_id):
            if reader and query.tail is not None:
                lines, offset = await asyncio.to_thread(last_lines, reader, kinds, query.tail)
                yield lines
            elif not query.follow:
                onward = START
                while reader and (onward := (found := rendering.chunk(run_id, offset, reader))[1]) > offset:
                    offset = onward
                    yield found[0]
                    await asyncio.sleep(0)
        if query.follow:
            async with aclosing(self._engine.follow(run_id, offset, rendering)) as chunks:
                async for chunk in chunks:
                    yield chunk


def _printer(kinds: frozenset[Kind]) -> Callable[[str, list[Frame]], bytes]:
    return lambda _, frames: b"".join(frame.data for frame in frames if frame.kind in kinds)
