"""One table of operations drives the routes and the OpenAPI document; here are its row and its routes.

Also the two readers that every dialect shares: a body as strict JSON, a query without repetitions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn, TypeAlias, TypeVar

import pydantic
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from ..core.errors import Invalid, PraisonrunError
from ..core.model import Json, deeper
from . import errors as problems

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Model = TypeVar("Model", bound=pydantic.BaseModel)

DEPTH = 64
"""Levels of arrays and objects that a body may nest."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(Invalid):
    """A body that is not one strict JSON object; dialects other than jobs answer 400."""


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


async def read_body(request: Request, model: type[Model]) -> Model:
    """Return the request's body as `model`; an empty body is an empty object.

    Raises NotJson, and pydantic.ValidationError for a field at fault.
    """
    body = await request.body()
    return model.model_validate(parse_object(body) if body else {})


def read_query(request: Request, model: type[Model]) -> Model:
    """Return the query as `model`; unknown parameters are ignored.

    Raises Invalid for a repeated parameter, pydantic.ValidationError for a value at fault.
    """
    if not request.scope["query_string"]:
        return model.model_validate({})
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values:
            raise Invalid(f"the query parameter {name!r} is given more than once", field=name)
        values[name] = value
    return model.model_validate(values)


def parse_object(body: bytes) -> dict[str, Json]:
    """Return a body's one JSON object.

    Refused (NotJson): other encodings than UTF-8, NaN and infinities, duplicate keys, lone
    surrogates, more than DEPTH levels, anything but an object.
    """
    value = _parse(body)
    if not isinstance(value, dict):
        raise NotJson("the body must be a JSON object")
    # As many brackets as levels at least: a small body needs no walk.
    if body.count(b"{") + body.count(b"[") > DEPTH and deeper(value, DEPTH):
        raise NotJson(f"the body nests more than {DEPTH} levels")
    return value


def _parse(body: bytes) -> Json:
    try:
        text = body.decode()
        value = _DECODER.decode(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as fault:
        raise NotJson(f"body is not JSON: {fault.msg} at {fault.lineno}:{fault.colno}") from None
    except UnicodeEncodeError:
        raise NotJson("the body holds half a surrogate pair") from None
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except RecursionError:
        raise NotJson(f"the body nests more than {DEPTH} levels") from None
    except ValueError as fault:  # an integer of thousands of digits
        raise NotJson(f"body is not JSON: {str(fault).split(';')[0]}") from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NotJson(f"the key {twice[:100]!r} stands twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    raise NotJson(f"body is not JSON: {name} is not a number")


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise NotJson(f"body is not JSON: {digits[:40]} is too large a number")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
