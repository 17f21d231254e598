"""Operations are declared at their endpoints; the declarations give the routes and the OpenAPI document.

Several dialects share one port: the first part of a path says which one it belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import pydantic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .errors import Render, handlers
from .forms import Described

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Method = TypeVar("Method", bound=Callable[[Any, Request], Awaitable[Response]])

_DECLARED = "__operations__"


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer with.

    `content` is the form of its JSON, a media type, or None: no body below 400, a problem above. Where a
    client may choose, it is the forms by media type; those of streams are the forms of single events.
    """

    description: str
    content: type[Described] | Mapping[str, type[Described]] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def forms(self) -> Mapping[str, type[Described]]:
        """The forms of its body, by media type; none where it is only a media type."""
        if isinstance(self.content, type):
            return {"application/json": self.content}
        return self.content if isinstance(self.content, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Header:
    """One request header with a meaning."""

    description: str
    pattern: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path: what it takes and what it answers."""

    method: str
    path: str
    """A Starlette template: `/api/v1/runs/{run_id}`."""
    name: str
    """Unique in the server: OpenAPI's operationId."""
    summary: str
    endpoint: Endpoint
    answers: Mapping[int, Answer] = field(default_factory=dict)
    query: type[pydantic.BaseModel] | None = None
    body: type[pydantic.BaseModel] | None = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    large: bool = False
    """Whether a body may have 8 MiB instead of 1."""
    heavy: bool = False
    """Whether an answer may take much memory while it is made: of all these, one at a time is made."""
    tag: str = "jobs"
    """Which of the server's APIs it belongs to."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """What each parameter in a path of that API is."""


def operation(
    method: str, path: str, answers: Mapping[int, Answer], *, name: str = "", **more: Any
) -> Callable[[Method], Method]:
    """Declare that the decorated method serves an operation; `more` are further fields of Operation.

    The method's name is the operation's, unless `name` is given; the first line of its docstring is the
    summary.
    """

    def declare(endpoint: Method) -> Method:
        summary = (endpoint.__doc__ or "").split("\n")[0].removesuffix(".")
        row = Operation(method, path, name or endpoint.__name__, summary, _unbound, answers, **more)
        setattr(endpoint, _DECLARED, [row, *getattr(endpoint, _DECLARED, ())])
        return endpoint

    return declare


async def _unbound(_request: Request) -> Response:
    raise AssertionError("an endpoint is served by an object")


def operations(*objects: object, tag: str = "jobs", **segments: str) -> list[Operation]:
    """Return the operations that the classes of some objects declare, served by those objects.

    `segments` says what the parameters of their paths are, by name.
    """
    return [
        replace(row, endpoint=getattr(served, name), tag=tag, segments=segments)
        for served in objects
        for name, member in vars(type(served)).items()
        for row in getattr(member, _DECLARED, ())
    ]


def routes(table: Iterable[Operation], turn: asyncio.Lock | None = None) -> list[Route]:
    """Return one route for each path, so that a 405's Allow names all its methods; the heavy share a turn."""
    turn = turn or asyncio.Lock()
    paths: dict[str, dict[str, Operation]] = {}
    for row in table:
        paths.setdefault(row.path, {})[row.method] = row
    return [_route(path, methods, turn) for path, methods in paths.items()]


def _route(path: str, methods: Mapping[str, Operation], turn: asyncio.Lock) -> Route:
    async def made(row: Operation, request: Request) -> Response:
        if not row.heavy:
            return await row.endpoint(request)
        async with turn:
            return await row.endpoint(request)

    async def dispatch(request: Request) -> Response:
        if request.method in methods:
            return await made(methods[request.method], request)
        full = await made(methods["GET"], request)  # Starlette adds a HEAD to every GET
        bare = Response(status_code=full.status_code)
        bare.raw_headers = full.raw_headers  # a stream's HEAD must not open the stream
        return bare

    return Route(path, dispatch, methods=list(methods), name=next(iter(methods.values())).name)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API of the server. Its application is its own, so that it answers every error in its own form."""

    roots: Sequence[str]
    """The first parts of its paths; the main dialect has all others."""
    operations: Sequence[Operation]
    statuses: Mapping[type[Exception], int]
    render: Render
    """The form of its error answers."""

    def application(self, turn: asyncio.Lock) -> Starlette:
        """Return its application. It makes no heavy answer while somebody else has the turn."""
        errors = handlers(self.statuses, self.render)
        app = Starlette(routes=routes(self.operations, turn), exception_handlers=errors)
        app.router.redirect_slashes = False
        return app


class Dialects:
    """The ASGI application that passes each request to its dialect."""

    def __init__(self, main: Dialect, *others: Dialect) -> None:
        self.operations = [row for dialect in (main, *others) for row in dialect.operations]
        turn = asyncio.Lock()
        self._main = (main.application(turn), main.render)
        self._others = {root: (row.application(turn), row.render) for row in others for root in row.roots}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, _ = self._of(scope.get("path", ""))
        await app(scope, receive, send)

    def render(self, path: str) -> Render:
        """Return the form of error answers on a path, for requests that never reach its dialect."""
        return self._of(path)[1]

    def _of(self, path: str) -> tuple[Starlette, Render]:
        root = path.split("/", 2)[1] if path.startswith("/") else ""
        return self._others.get(root, self._main)
