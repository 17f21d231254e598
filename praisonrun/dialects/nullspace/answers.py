"""Answers of the Nullspace dialect; errors are {"error", "code", "request_id"}, whoever rejects a request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pydantic
from starlette.responses import Response

from ...core.errors import Invalid, KeyReused, NotFound, QueueFull, WrongMode, WrongState
from ...core.json import Json
from ...engine.request import new_suffix
from ...web import errors
from ...web.operations import Answer
from ...web.responses import json_response
from .schemas import DeploymentError

log = logging.getLogger(__name__)
REQUEST_ID = "x-request-id"
"""A header of every answer of this dialect."""


class Missing(NotFound):
    """An agent, version, run or service that a path names and that is not there."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


STATUSES = {**errors.STATUSES, Invalid: 400, pydantic.ValidationError: 400, WrongMode: 409, QueueFull: 429}
"""The HTTP status of each error."""
_CODES: Mapping[type[Exception], str] = {
    WrongState: "agent_deployment_invalid_state",
    WrongMode: "agent_deployment_invalid_state",
    KeyReused: "agent_deployment_idempotency_mismatch",
}
"""The code of each error that has neither a code of its own nor its status's."""
_STATUS_CODES = {
    400: "invalid_request", 401: "unauthorized", 403: "forbidden", 404: "not_found",
    405: "method_not_allowed", 413: "payload_too_large", 410: "gone", 415: "unsupported_media_type",
    421: "misdirected_request", 429: "capacity_exceeded", 500: "internal_error", 501: "not_implemented",
    503: "overloaded", 507: "insufficient_storage",
}  # fmt: skip


def answer(body: Json, status: int = 200, *, replayed: bool = False) -> Response:
    """Return a JSON answer."""
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return json_response(body, status, {REQUEST_ID: _new_request_id(), **headers})


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return an error answer; the log names the requests that failed for reasons of our own."""
    own = error.code if isinstance(error, Missing) else error and errors.nearest(error, _CODES)
    code = own or _STATUS_CODES.get(status, "invalid_request")
    request_id = _new_request_id()
    if status == 500:
        log.error("request %s failed", request_id)
    body = {"error": detail, "code": code, "request_id": request_id}
    return json_response(body, status, {REQUEST_ID: request_id, **(headers or {})})


def _new_request_id() -> str:
    return f"req_{new_suffix()}"


def rejection(description: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error answer as the OpenAPI document describes it."""
    return Answer(description, DeploymentError, headers or {})


_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
FAULT = {400: rejection("A value at fault.")}
ABSENT = {**FAULT, 404: rejection("No such thing.")}
GONE = {410: rejection("Its files are gone.")}
WRONG_STATE = {**ABSENT, 409: rejection("Its state does not allow it.")}
CREATE = {
    **ABSENT,
    409: rejection("The key was used for another payload, or the state does not allow it."),
    413: rejection("The body is too large."),
    415: rejection("The body is not application/json."),
    429: rejection("No capacity.", _AGAIN),
    503: rejection("The server is stopping.", _AGAIN),
    507: rejection("The disk is full.", _AGAIN),
}
