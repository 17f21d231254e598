"""Several dialects behind one port: the first part of a path says which dialect it belongs to.

Each dialect is an application of its own, so that every error is answered in that dialect's form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from .errors import Render, handlers
from .operations import Operation, routes


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API of the server."""

    roots: Sequence[str]
    """The first parts of its paths; the main dialect has all others."""
    operations: Sequence[Operation]
    statuses: Mapping[type[Exception], int]
    render: Render
    """The form of its error answers."""


class Dialects:
    """The ASGI application that passes each request to its dialect."""

    def __init__(self, main: Dialect, *others: Dialect) -> None:
        self.operations = [row for dialect in (main, *others) for row in dialect.operations]
        self._main, self._render = _application(main), main.render
        self._apps = {root: _application(other) for other in others for root in other.roots}
        self._renders = {root: other.render for other in others for root in other.roots}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        app = self._apps.get(_root(scope["path"]), self._main) if "path" in scope else self._main
        await app(scope, receive, send)

    def render(self, path: str) -> Render:
        """Return the form of error answers on a path, for requests that never reach its dialect."""
        return self._renders.get(_root(path), self._render)


def _application(dialect: Dialect) -> Starlette:
    errors = handlers(dialect.statuses, dialect.render)
    app = Starlette(routes=routes(dialect.operations), exception_handlers=errors)
    app.router.redirect_slashes = False
    return app


def _root(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""
