"""One table of operations drives the routes and the OpenAPI document; here are its row and its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import pydantic
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from ..core.errors import PraisonrunError
from . import errors as problems

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer with.

    `content` is a model (shown as JSON), a media type, or None: no body below 400, a problem above.
    """

    description: str
    content: type[pydantic.BaseModel] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """One request header with a meaning."""

    description: str
    pattern: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table: a method on a path, what it takes and what it answers."""

    method: str
    path: str
    """A Starlette template: `/api/v1/runs/{run_id}`."""
    name: str
    summary: str
    endpoint: Endpoint
    query: type[pydantic.BaseModel] | None = None
    body: type[pydantic.BaseModel] | None = None
    answers: Mapping[int, Answer] = field(default_factory=dict)
    tag: str = ""
    headers: Mapping[str, Header] = field(default_factory=dict)
    """Request headers with a meaning here."""
    large: bool = False
    """Whether a body may have 8 MiB instead of 1."""


def routes(operations: Iterable[Operation]) -> list[Route]:
    """Return one route for each path, so that a 405's Allow names all its methods."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return [_route(path, methods) for path, methods in paths.items()]


def _route(path: str, methods: Mapping[str, Operation]) -> Route:
    table = {method: operation.endpoint for method, operation in methods.items()}
    get = table.get("GET")
    if get is not None and "HEAD" not in table:
        table["HEAD"] = _head(get)
    name = next(iter(methods.values())).name
    if len(table) == 1:
        return Route(path, next(iter(table.values())), methods=list(table), name=name)

    async def dispatch(request: Request) -> Response:
        return await table[request.method](request)

    return Route(path, dispatch, methods=list(table), name=name)


def _head(get: Endpoint) -> Endpoint:
    async def head(request: Request) -> Response:
        full = await get(request)
        bare = Response(status_code=full.status_code)
        bare.raw_headers = full.raw_headers  # a stream's HEAD must not open the stream
        return bare

    return head


def exception_handlers() -> dict[type[Exception] | int, ExceptionHandler]:
    """Return Starlette's handlers for a dialect that answers with problems."""
    return {
        PraisonrunError: _on_error,
        pydantic.ValidationError: _on_error,
        HTTPException: _on_http,
        ClientDisconnect: _on_gone,
        Exception: _on_bug,
    }


def _on_error(_request: Request, error: Exception) -> Response:
    return problems.from_error(error)


def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problems.problem(error.status_code, error.detail, headers=error.headers)


def _on_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it, and a client that left is no fault to be logged


def _on_bug(_request: Request, _error: Exception) -> Response:
    # Starlette raises it again after this answer, so the server logs the trace once.
    return problems.problem(500, problems.INTERNAL)
