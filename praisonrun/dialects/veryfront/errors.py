"""Errors in the Veryfront dialect: `error`, a code, and `detail`, a sentence; both are strings."""

from __future__ import annotations

from collections.abc import Mapping

import pydantic
from starlette.responses import Response

from ...core.errors import Invalid, PraisonrunError
from ...web import errors
from ...web.operations import Answer
from ...web.responses import json_response
from .schemas import Refused

STATUSES = {**errors.STATUSES, Invalid: 400, pydantic.ValidationError: 400}
"""The HTTP status of each error: as in the jobs dialect, but every fault in a request is a 400."""


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return an error answer.

    It names every field at fault: the caller's documentation leaves out some that are required.
    """
    code = errors.title(status).lower().replace(" ", "_")
    if isinstance(error, PraisonrunError):
        code = error.code
    elif isinstance(error, pydantic.ValidationError):
        code, detail = "invalid", "; ".join(map(_fault, errors.faults_of(error)))
    return json_response({"error": code, "detail": detail}, status, headers)


def _fault(fault: Mapping[str, object]) -> str:
    loc = fault["loc"]
    assert isinstance(loc, list)
    return f"{'.'.join(map(str, loc)) or 'the request'}: {fault['msg']}"


def rejection(description: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error answer as the OpenAPI document describes it."""
    return Answer(description, Refused, headers or {})


NOT_FOUND = {404: rejection("No such run.")}
BAD = {400: rejection("A parameter or a cursor at fault; `detail` names it.")}
