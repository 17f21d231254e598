"""Errors as the jobs dialect shows them: RFC 9457 `application/problem+json`.

A message that nobody wrote for a stranger never leaves the process: what is not in `CODES` is a 500
whose detail says only that the log has the trace.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import pydantic
from pydantic_core import to_json
from starlette.responses import Response

from ..core.errors import (
    BadRequest,
    DiskFull,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    PraisonrunError,
    QueueFull,
    Unavailable,
    WrongState,
)
from ..core.json import Json

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
INTERNAL = "internal error; the server's log has the trace"
CODES: dict[type[PraisonrunError], int] = {
    BadRequest: 400,
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    WrongState: 409,
    KeyReused: 409,
    QueueFull: 503,
    DiskFull: 507,
    Unavailable: 503,
}
"""The HTTP status of each error in the jobs dialect; a subclass answers as its parent."""


class Shape(pydantic.BaseModel):
    """What a body or a query looks like. Built when it is first used: most are only described."""

    model_config = pydantic.ConfigDict(defer_build=True)


class Problem(Shape):
    """The body of every error answer (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None


class Fault(Shape):
    """One field at fault in a 422."""

    loc: list[str | int]
    msg: str


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Json]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem answer; `errors` is a list of {loc, msg}, one for each field at fault."""
    body: dict[str, Json] = {
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    content = to_json(body, inf_nan_mode="null")
    return Response(content, status, headers=headers, media_type=MEDIA_TYPE)


def title(status: int) -> str:
    """Return the name that HTTP gives a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def status_of(error: Exception, codes: Mapping[type[PraisonrunError], int] = CODES) -> int:
    """Return the status of an error's nearest class in `codes`, else 500."""
    return next((codes[kind] for kind in type(error).__mro__ if kind in codes), 500)


def from_error(error: Exception) -> Response:
    """Return the answer for anything that a handler may raise."""
    if isinstance(error, pydantic.ValidationError):
        return from_validation(error)
    status = status_of(error)
    if not isinstance(error, PraisonrunError) or status == 500:
        log.error("a request failed", exc_info=error)
        return problem(500, INTERNAL)
    errors = [{"loc": [error.field], "msg": error.message}] if error.field else []
    return problem(
        status,
        error.message,
        errors=errors if status == 422 else None,
        headers=retry_after(error.retry_after),
    )


def from_validation(error: pydantic.ValidationError) -> Response:
    """Return a 422 that names every field at fault and repeats no value."""
    faults = faults_of(error)
    return problem(422, summary(faults), errors=faults)


def faults_of(error: pydantic.ValidationError) -> list[dict[str, Json]]:
    """Return {loc, msg} for each field at fault, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"loc": list(fault["loc"]), "msg": fault["msg"]} for fault in found]


def summary(faults: Sequence[Mapping[str, Json]]) -> str:
    """Return one line for a list of faults: the first, and how many more there are."""
    if not faults:
        return "the request is not valid"
    place = ".".join(str(part) for part in faults[0]["loc"])
    first = f"{place}: {faults[0]['msg']}" if place else str(faults[0]["msg"])
    more = len(faults) - 1
    return f"{first} (and {more} more)" if more else first


def retry_after(seconds: int | None) -> dict[str, str] | None:
    """Return the Retry-After header, where there is something to say."""
    return None if seconds is None else {"Retry-After": str(seconds)}
