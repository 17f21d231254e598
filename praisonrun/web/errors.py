"""The error layer of every dialect: a table of statuses and a `render` make all its error answers.

Messages that were not written for clients never leave the process: an error outside the table is a 500
whose detail says only that the log has the trace. The default form is RFC 9457 `application/problem+json`.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol, TypeVar

import pydantic
from pydantic import Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from ..core import errors as core
from ..core.json import Json
from .forms import Described

T = TypeVar("T")
log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
INTERNAL = "internal error; the server's log has the trace"
STATUSES: Mapping[type[Exception], int] = {
    core.BadRequest: 400,
    core.Invalid: 422,
    pydantic.ValidationError: 422,
    core.Forbidden: 403,
    core.NotFound: 404,
    core.Gone: 410,
    core.WrongState: 409,
    core.KeyReused: 409,
    core.QueueFull: 503,
    core.DiskFull: 507,
    core.Unavailable: 503,
}
"""The HTTP status of each error; subclasses have the status of their nearest base class."""

SHORT = MemoryError, OSError, RuntimeError
"""What Python raises where memory, files or threads are short, and more."""


class Render(Protocol):
    """Makes an error answer in the form of one dialect.

    `error` is a PraisonrunError or a pydantic.ValidationError, or None where only HTTP says what is wrong.
    """

    def __call__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        error: Exception | None = None,
    ) -> Response: ...


class Problem(Described):
    """The body of every error answer (RFC 9457)."""

    type: str = Field(description="Always about:blank: title says what type it is.")
    title: str = Field(description="HTTP's phrase for the status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong and, where that helps, what to do.")
    errors: list[Fault] = Field([], description="Every field at fault; only in a 422.")


class Fault(Described):
    """One field at fault in a 422."""

    loc: list[str | int] = Field(description="The path to the field: its names, and indexes of lists.")
    msg: str = Field(description="What is wrong with it.")


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return a problem answer; a 422 lists every field at fault as {loc, msg}."""
    body = {"type": "about:blank", "title": title(status), "status": status, "detail": detail}
    faults: dict[str, Json] = {"errors": faults_of(error)} if status == 422 else {}
    content = to_json({**body, **faults}, inf_nan_mode="null")
    return Response(content, status, headers=headers, media_type=MEDIA_TYPE)


def title(status: int) -> str:
    """Return HTTP's phrase for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def handlers(
    statuses: Mapping[type[Exception], int] = STATUSES, render: Render = problem
) -> dict[type[Exception] | int, ExceptionHandler]:
    """Return Starlette's exception handlers for a dialect."""

    async def on_error(_request: Request, error: Exception) -> Response:  # a thread may be what is short
        return respond(error, statuses, render)

    ours = core.PraisonrunError, pydantic.ValidationError, HTTPException, ClientDisconnect
    kinds = (*ours, *SHORT, Exception)
    return dict.fromkeys(kinds, on_error)


def respond(
    error: Exception, statuses: Mapping[type[Exception], int] = STATUSES, render: Render = problem
) -> Response:
    if isinstance(error, HTTPException):
        return render(error.status_code, error.detail, error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody reads it; a client that left is not worth a log entry
    if isinstance(error, SHORT) and (denied := trouble_of(error)) is not None:
        error = denied
        log.warning("a request failed: %s", error)
    status = nearest(error, statuses)
    if status is None:
        if isinstance(error, (core.PraisonrunError, *SHORT)):
            # Starlette raises others again: the server logs the trace.
            log.error("a request failed", exc_info=error)
        return render(500, INTERNAL)
    if not isinstance(error, core.PraisonrunError):
        return render(status, summary(faults_of(error)), None, error)
    later = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return render(status, error.message, later, error)


def trouble_of(error: Exception) -> core.PraisonrunError | None:
    """Return what a client is told where the system denies the server what it needs."""
    if isinstance(error, MemoryError) or "can't start new thread" in error.args:
        return core.Unavailable("the server is out of memory or threads; try again", retry_after=5)
    if not isinstance(error, OSError):
        return None
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    why = f"the server cannot do this now ({core.reason(error)}); see /health"
    return (core.DiskFull if full else core.Unavailable)(why, retry_after=30 if full else 5)


def nearest(error: Exception, table: Mapping[type[Exception], T]) -> T | None:
    """Return the entry of an error's nearest class in a table."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def faults_of(error: Exception | None) -> list[dict[str, Json]]:
    """Return {loc, msg} for each field at fault, without the values."""
    if isinstance(error, pydantic.ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [{"loc": list(fault["loc"]), "msg": fault["msg"]} for fault in found]
    if isinstance(error, core.PraisonrunError) and error.field:
        return [{"loc": [error.field], "msg": error.message}]
    return []


def summary(faults: Sequence[Mapping[str, Json]]) -> str:
    """Return one line for a list of faults: the first, and how many more there are."""
    if not faults:
        return "the request is not valid"
    field = ".".join(map(str, faults[0]["loc"]))
    first = f"{field}: {faults[0]['msg']}" if field else str(faults[0]["msg"])
    return f"{first} (and {len(faults) - 1} more)" if len(faults) > 1 else first
