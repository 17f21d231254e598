"""Errors as the deployments dialect shows them: {"error", "code", "request_id"}, whoever refuses."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pydantic
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from ...core.errors import (
    BadRequest,
    DiskFull,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    PraisonrunError,
    QueueFull,
    Unavailable,
    WrongMode,
    WrongState,
)
from ...core.json import dumps
from ...engine.submit import new_suffix
from ...web import errors as problems
from .models import DeploymentError

log = logging.getLogger(__name__)
REQUEST_ID = "x-request-id"
"""The header that every answer of this dialect wears."""


class NoDeployment(NotFound):
    """A name or id that names no agent."""


class NoVersion(NotFound):
    """A version that the agent never had."""


class NoRun(NotFound):
    """A run that is not one of the agent's."""


class NoService(NotFound):
    """A service that is not one of the agent's."""


class NotImplementedHere(PraisonrunError):
    """A change that is made in agents.yaml instead."""


CODES: dict[type[PraisonrunError], tuple[int, str]] = {
    BadRequest: (400, "invalid_request"),
    Invalid: (400, "invalid_request"),
    Forbidden: (403, "forbidden"),
    NotFound: (404, "not_found"),
    NoDeployment: (404, "agent_deployment_not_found"),
    NoVersion: (404, "agent_deployment_version_not_found"),
    NoRun: (404, "agent_run_not_found"),
    NoService: (404, "agent_service_instance_not_found"),
    WrongState: (409, "agent_deployment_invalid_state"),
    WrongMode: (409, "agent_deployment_invalid_state"),
    KeyReused: (409, "agent_deployment_idempotency_mismatch"),
    QueueFull: (429, "capacity_exceeded"),
    NotImplementedHere: (501, "not_implemented"),
    Unavailable: (503, "overloaded"),
    DiskFull: (507, "insufficient_storage"),
}
"""Status and code of each error; a subclass answers as its parent."""
HTTP_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    421: "misdirected_request",
    429: "capacity_exceeded",
    500: "internal_error",
    503: "overloaded",
    507: "insufficient_storage",
}


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that says no, with the code of its status; also the edge's on these paths."""
    return _answer(status, detail, HTTP_CODES.get(status, "invalid_request"), headers)


def new_request_id() -> str:
    """Return an id that no other request has."""
    return f"req_{new_suffix()}"


def handlers() -> dict[type[Exception] | int, ExceptionHandler]:
    """Return Starlette's handlers for this dialect."""
    return {
        PraisonrunError: _on_error,
        pydantic.ValidationError: _on_validation,
        HTTPException: _on_http,
        ClientDisconnect: _on_http,
        Exception: _on_bug,
    }


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PraisonrunError)
    known = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    if known is None:
        log.error("a request failed", exc_info=error)
        return _on_bug(request, error)
    status, code = known
    return _answer(status, error.message, code, problems.retry_after(error.retry_after))


def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, pydantic.ValidationError)
    return refusal(400, problems.summary(problems.faults_of(error)))


def _on_http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return refusal(400, "the client went away")
    return refusal(error.status_code, error.detail, error.headers)


def _on_bug(_request: Request, _error: Exception) -> Response:
    # Starlette raises it again after this answer, so the server logs the trace once.
    return refusal(500, problems.INTERNAL)


def _answer(status: int, detail: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    body = DeploymentError(error=detail, code=code, request_id=new_request_id())
    if status >= 500 and status not in (501, 503, 507):
        log.error("request %s failed", body.request_id)
    named = {REQUEST_ID: body.request_id, **(headers or {})}
    return Response(dumps(body.model_dump()), status, named, media_type="application/json")
