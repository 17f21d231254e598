"""Errors in the Nullspace dialect: {"error", "code", "request_id"}, whoever rejects the request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pydantic
from starlette.responses import Response

from ...core.errors import Invalid, KeyReused, NotFound, PraisonrunError, QueueFull, WrongMode, WrongState
from ...engine.request import new_suffix
from ...web import errors
from ...web.responses import json_response

log = logging.getLogger(__name__)
REQUEST_ID = "x-request-id"
"""A header of every answer of this dialect."""


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


STATUSES = {
    **errors.STATUSES,
    Invalid: 400,
    pydantic.ValidationError: 400,
    WrongMode: 409,
    QueueFull: 429,
    NotImplementedHere: 501,
}
"""The HTTP status of each error."""
CODES: Mapping[type[Exception], str] = {
    NoDeployment: "agent_deployment_not_found",
    NoVersion: "agent_deployment_version_not_found",
    NoRun: "agent_run_not_found",
    NoService: "agent_service_instance_not_found",
    WrongState: "agent_deployment_invalid_state",
    WrongMode: "agent_deployment_invalid_state",
    KeyReused: "agent_deployment_idempotency_mismatch",
}
"""The code of each error that does not have its status's code."""
STATUS_CODES = {
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
    501: "not_implemented",
    503: "overloaded",
    507: "insufficient_storage",
}


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return an error answer; the log names the requests that failed for reasons of our own."""
    code = (error and errors.nearest(error, CODES)) or STATUS_CODES.get(status, "invalid_request")
    request_id = new_request_id()
    if status == 500:
        log.error("request %s failed", request_id)
    body = {"error": detail, "code": code, "request_id": request_id}
    return json_response(body, status, {REQUEST_ID: request_id, **(headers or {})})


def new_request_id() -> str:
    """Return an id that no other request has."""
    return f"req_{new_suffix()}"
