"""Errors as the canonical dialect shows them: `error`, a code, and `detail`, a sentence; both are strings."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pydantic
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from ...core.errors import Invalid, PraisonrunError
from ...core.json import dumps
from ...web import errors as problems

log = logging.getLogger(__name__)

CODES = {**problems.CODES, Invalid: 400}
"""The HTTP status of each error: as in the jobs dialect, but every fault in a request is a 400."""


def refusal(
    status: int, detail: str, headers: Mapping[str, str] | None = None, *, code: str | None = None
) -> Response:
    """Return an error answer; without a code the status gives one."""
    body = {"error": code or problems.title(status).lower().replace(" ", "_"), "detail": detail}
    return Response(dumps(body), status, headers=headers, media_type="application/json")


def handlers() -> dict[type[Exception] | int, ExceptionHandler]:
    """Return Starlette's handlers for this dialect."""
    return {
        PraisonrunError: _on_error,
        pydantic.ValidationError: _on_validation,
        HTTPException: _on_http,
        ClientDisconnect: lambda _request, _error: Response(status_code=400),
        Exception: lambda _request, _error: refusal(500, problems.INTERNAL),
    }


def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PraisonrunError)
    status = problems.status_of(error, CODES)
    if status == 500:
        log.error("a request failed", exc_info=error)
        return refusal(500, problems.INTERNAL)
    return refusal(status, error.message, problems.retry_after(error.retry_after), code=error.code)


def _on_validation(_request: Request, error: Exception) -> Response:
    """Name every field at fault: the caller's documentation leaves some out that are required."""
    assert isinstance(error, pydantic.ValidationError)
    faults = [
        f"{'.'.join(map(str, fault['loc'])) or 'the request'}: {fault['msg']}"
        for fault in problems.faults_of(error)
    ]
    return refusal(400, "; ".join(faults), code="invalid")


def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, error.headers)
