"""The files that a run left. They are downloads, never pages."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from io import FileIO
from urllib.parse import quote

from anyio.to_thread import run_sync
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...engine.engine import Engine
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import base_url
from ...web.responses import Stream, content_type, json_response
from .show import NOT_FOUND, RUN, url_of

CHUNK = 32 * 1024
"""Bytes that are read, and sent, at once."""
KIND = "application/octet-stream"
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


class Artifacts:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
        return Stream(_read(file, size), headers=headers, media_type=KIND)


async def _read(file: FileIO, left: int) -> AsyncIterator[bytes]:
    """Yield `left` bytes; a file that has shrunk ends the answer early."""
    with file:
        while left and (chunk := await run_sync(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
