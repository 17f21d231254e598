"""The jobs dialect's artifacts: the files in PRAISONRUN_ARTIFACTS. They are downloads, never pages."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from io import FileIO
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...engine.engine import Engine
from ...web.operations import Answer, operation
from ...web.requests import base_url
from ...web.responses import content_type, json_response
from .answers import NOT_FOUND, RUN, RUNS
from .schemas import ArtifactList

CHUNK = 256 * 1024
KIND = "application/octet-stream"


class Artifacts:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", RUN + "/artifacts", {200: Answer("The files.", ArtifactList), **NOT_FOUND})
    async def list_artifacts(self, request: Request) -> Response:
        """List the files that a run left."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        url = f"{base_url(request)}{RUNS}/{run.id}/artifacts/"
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

    @operation(
        "GET", RUN + "/artifacts/{path:path}", {200: Answer("The file, as an attachment.", KIND), **NOT_FOUND}
    )
    async def get_artifact(self, request: Request) -> Response:
        """Download a file that a run left."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        path: str = request.path_params["path"]
        file = FileIO(await self._engine.artifact(run.id, path))
        size = os.fstat(file.fileno()).st_size
        name = quote(path.rsplit("/", 1)[-1], safe="")
        headers = {
            "Content-Length": str(size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        }
        if request.method == "HEAD":
            file.close()
            return Response(headers=headers, media_type=KIND)
        return StreamingResponse(_read(file, size), headers=headers, media_type=KIND)


async def _read(file: FileIO, left: int) -> AsyncIterator[bytes]:
    """Yield `left` bytes; a file that has shrunk ends the answer early."""
    with file:
        while left and (chunk := await run_sync(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
