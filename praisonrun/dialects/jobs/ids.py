"""Which run a person means: `GET /api/v1/ids/{word}`, for commands and pages that show short ids."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...engine.engine import Engine
from ...web.operations import Answer, operation
from ...web.responses import json_response
from .show import Job, job

MEANT = {
    200: Answer("The run as it is now.", Job),
    404: Answer("There is none; `detail` names the newest."),
    422: Answer("Several runs end so; `detail` names some."),
}


class Ids:
    """Short ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", "/api/v1/ids/{word}", MEANT, heavy=True)
    async def find_run(self, request: Request) -> Response:
        """Find a run by its id, or its last 4 or more characters; `@` is the newest, `@2` the one before it.

        Ends are looked for among the newest 100,000 runs.
        """
        shown = await self._engine.meant(request.path_params["word"])
        return json_response(job(shown))
