"""Veryfront durable runs: `/runs`. An error is `error`, a code, and `detail`, a sentence, both strings."""

from __future__ import annotations

from collections.abc import Mapping

import pydantic
from starlette.responses import Response

from ...core.errors import Invalid, PraisonrunError
from ...engine.engine import Engine
from ...web import errors
from ...web.operations import Dialect, operations
from ...web.responses import StreamLimits, json_response
from .endpoints import Runs
from .streams import Events

STATUSES = {**errors.STATUSES, Invalid: 400, pydantic.ValidationError: 400}
"""As in the jobs dialect, but every fault in a request is a 400."""

_SEGMENTS = {
    "run_id": "A run's id: its public_id where it was given one.",
    "project_ref": "A project's UUID, or any other text for all projects.",
    "conversation_id": "A conversation of the run: its own, or its owner.",
}


def dialect(engine: Engine, limits: StreamLimits) -> Dialect:
    """Return the dialect over an engine."""
    served = operations(Runs(engine), Events(engine, limits), tag="veryfront", **_SEGMENTS)
    return Dialect(("runs", "projects", "conversations"), served, STATUSES, render)


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return an error that names every field at fault: the caller's documentation leaves some out."""
    code = errors.title(status).lower().replace(" ", "_")
    if isinstance(error, PraisonrunError):
        code = error.code
    elif isinstance(error, pydantic.ValidationError):
        code = "invalid"
        detail = "; ".join(errors.summary([fault]) for fault in errors.faults_of(error))
    return json_response({"error": code, "detail": detail}, status, headers)
