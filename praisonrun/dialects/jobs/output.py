"""What a run left: its output, byte for byte, and its artifacts. They are downloads, never pages."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing, nullcontext
from io import FileIO
from urllib.parse import quote

from anyio.to_thread import run_sync
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...engine.engine import Engine
from ...engine.journals import SharedRendering
from ...journal.format import START, Frame, Kind
from ...journal.last_lines import Place, last_lines, output
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import base_url, read_query
from ...web.responses import UNBUFFERED, StreamLimits, content_type, json_response
from .models import LogsQuery
from .show import FOLLOWED, GONE, NOT_FOUND, RUN, url_of

CHUNK = 32 * 1024
"""Bytes that are read, and sent, at once."""
KIND = "application/octet-stream"
_KINDS = {None: {Kind.STDOUT, Kind.STDERR}, "stdout": {Kind.STDOUT}, "stderr": {Kind.STDERR}}
_LOGS = {200: Answer("What it printed.", "text/plain"), **FOLLOWED, **GONE}
_FILE = {200: Answer("The file, as an attachment.", KIND), **NOT_FOUND}


class ArtifactShown(Described):
    """One file that a run left."""

    path: str = Field(description="Its place among the run's artifacts.")
    size: int = Field(description="Bytes.")
    content_type: str = Field(description="The media type that its name suggests; the download has none.")
    url: str = Field(description="Where to download it.")


class ArtifactList(Described):
    """The files that a run left, by path."""

    artifacts: list[ArtifactShown] = Field(description="The files; 10 000 at most.")


class Output:
    """The endpoints."""

    def __init__(self, engine: Engine, limits: StreamLimits) -> None:
        self._engine, self._limits = engine, limits
        self._renderings = {name: SharedRendering(_printer(kinds)) for name, kinds in _KINDS.items()}

    @operation("GET", RUN + "/logs", _LOGS, query=LogsQuery)
    async def get_logs(self, request: Request) -> Response:
        """Read a run's output."""
        query = read_query(request, LogsQuery)
        run = await self._engine.row(request.path_params["run_id"])
        self._engine.journals.check(run)
        headers = UNBUFFERED if query.follow else None
        text = StreamingResponse(self._printed(run.id, query), headers=headers, media_type="text/plain")
        return self._limits.limited(text, run.id, sse=False) if query.follow else text

    async def _printed(self, run_id: str, query: LogsQuery) -> AsyncIterator[bytes]:
        kinds, rendering = _KINDS[query.stream], self._renderings[query.stream]
        place, end = Place(), START
        with self._engine.files.reader(run_id) or nullcontext() as reader:
            if reader and query.tail is not None:
                place, end = await asyncio.to_thread(last_lines, reader, kinds, query.tail)
            elif reader and not query.follow:
                end = sys.maxsize
            for piece in output(reader, kinds, place, end) if reader else ():
                if piece:
                    yield piece
                await asyncio.sleep(0)
        if query.follow:
            async with aclosing(self._engine.journals.follow(run_id, end, rendering)) as chunks:
                async for chunk in chunks:
                    yield chunk

    @operation("GET", RUN + "/artifacts", {200: Answer("The files.", ArtifactList), **NOT_FOUND})
    async def list_artifacts(self, request: Request) -> Response:
        """List the files that a run left."""
        run = await self._engine.row(request.path_params["run_id"])
        url = f"{url_of(run, base_url(request))}/artifacts/"
        shown = [
            {
                "path": artifact.path,
                "size": artifact.size,
                "content_type": content_type(artifact.path),
                "url": url + quote(artifact.path),
            }
            for artifact in await self._engine.artifacts(run.id)
        ]
        return json_response({"artifacts": shown})

    @operation("GET", RUN + "/artifacts/{path:path}", _FILE)
    async def get_artifact(self, request: Request) -> Response:
        """Download a file that a run left."""
        run = await self._engine.row(request.path_params["run_id"])
        path: str = request.path_params["path"]
        file = FileIO(await self._engine.artifact(run.id, path))
        size = os.fstat(file.fileno()).st_size
        name = quote(path.rsplit("/", 1)[-1], safe="")
        headers = {"Content-Length": str(size), "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        if request.method == "HEAD":
            file.close()
            return Response(headers=headers, media_type=KIND)
        return StreamingResponse(_read(file, size), headers=headers, media_type=KIND)


def _printer(kinds: Collection[Kind]) -> Callable[[str, list[Frame]], bytes]:
    return lambda _, frames: b"".join(frame.data for frame in frames if frame.kind in kinds)


async def _read(file: FileIO, left: int) -> AsyncIterator[bytes]:
    """Yield `left` bytes; a file that has shrunk ends the answer early."""
    with file:
        while left and (chunk := await run_sync(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
