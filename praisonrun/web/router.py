"""Several dialects behind one door: the first part of a path says whose it is.

Each is an application of its own, so that whatever goes wrong is said in its own form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.types import ExceptionHandler, Receive, Scope, Send

from .edge import Refusal
from .operations import Operation, routes


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one API of the server is made of."""

    name: str
    roots: Sequence[str]
    """First parts of its paths; the main dialect has what is left."""
    operations: Sequence[Operation]
    handlers: Mapping[type[Exception] | int, ExceptionHandler]
    refusal: Refusal


class Dialects:
    """The ASGI application that passes each request on to its dialect."""

    def __init__(self, main: Dialect, *others: Dialect) -> None:
        self._main, self._refusal = _application(main), main.refusal
        self._apps = {root: _application(other) for other in others for root in other.roots}
        self._refusals = {root: other.refusal for other in others for root in other.roots}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        app = self._apps.get(_root(scope["path"]), self._main) if "path" in scope else self._main
        await app(scope, receive, send)

    def envelope(self, path: str) -> Refusal:
        """Return how a path's dialect refuses a request that never reached it."""
        return self._refusals.get(_root(path), self._refusal)


def _application(dialect: Dialect) -> Starlette:
    app = Starlette(routes=routes(dialect.operations), exception_handlers=dict(dialect.handlers))
    app.router.redirect_slashes = False
    return app


def _root(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""
