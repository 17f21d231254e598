"""The addresses of the page: HTML for browsers, a short text for curl. A run's text needs the token."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from .. import __version__
from ..core.errors import NotFound
from ..core.model import Snapshot, Status
from ..engine.engine import Engine
from ..web.errors import STATUSES
from ..web.head import wants_page
from ..web.operations import Answer, Dialect, operation, operations
from ..web.page import files
from ..web.requests import base_url

TAG = "page"
_PAGE = {200: Answer("The page, or a text for those who want no HTML.", "text/html")}
_VARY = {"Vary": "Accept, Accept-Encoding"}


def dialect(engine: Engine) -> Dialect:
    """Return the page as the server's part that has the root and everything below /ui."""
    return Dialect(("", "ui"), operations(Page(engine), tag=TAG), STATUSES, render)


def render(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    error: Exception | None = None,  # noqa: ARG001
) -> Response:
    """Return an error as one line of text."""
    return Response(f"{detail}\n", status, headers=headers, media_type="text/plain")


class Page:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._files = engine, files()

    @operation("GET", "/", _PAGE)
    async def home(self, request: Request) -> Response:
        """Show the page, or say how to use this server."""
        if wants_page(request.scope):
            return self._files["index.html"].answer(request)
        base = base_url(request)
        typed = "-H 'Content-Type: application/json'"
        return _text(
            f"praisonrun {__version__} - open {base}/ in a browser to see every run",
            f'submit   curl {base}/api/v1/runs {typed} -d \'{{"prompt": "Hello"}}\'',
            f"list     curl {base}/api/v1/runs",
            f"follow   curl -N {base}/api/v1/events",
            f"the API  curl {base}/openapi.json",
        )

    @operation("GET", "/ui/runs/{word}", _PAGE)
    async def run(self, request: Request) -> Response:
        """Show the page with a run, or say how the run is."""
        if wants_page(request.scope):
            return self._files["index.html"].answer(request)
        shown = await self._engine.meant(request.path_params["word"])
        return _text(*_told(shown, base_url(request)))

    @operation("GET", "/ui/assets/{name}", {200: Answer("The file.", "text/javascript")})
    async def asset(self, request: Request) -> Response:
        """Get a file of the page."""
        name = request.path_params["name"]
        if name not in self._files:
            raise NotFound(f"the page has no file {name[:100]!r}")
        return self._files[name].answer(request)


def _told(shown: Snapshot, base: str) -> list[str]:
    """Return the lines that tell a person at a terminal how a run is, and what to do."""
    run, url = shown.run, f"{base}/api/v1/runs/{shown.run.id}"
    failed = run.status is Status.FAILED
    lines = [
        f"{run.id}  {shown.visible_status}  {run.agent}  {_plain(run.title)}",
        *([f"error    {_plain(run.error or '')}"] if failed else []),
        f"status   curl {url}",
        f"output   curl -N '{url}/logs?follow=1'",
    ]
    return [
        *lines,
        f"retry    curl -X POST {url}/retry" if run.finished_at else f"cancel   curl -X POST {url}/cancel",
    ]


def _plain(text: str) -> str:
    """Return text of an agent or a stranger as one line that can do nothing to a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _text(*lines: str) -> Response:
    return Response("\n".join([*lines, ""]), headers=_VARY, media_type="text/plain")
