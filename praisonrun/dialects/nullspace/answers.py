"""The Nullspace dialect's paths, and what several of its operations take and answer."""

from __future__ import annotations

from collections.abc import Mapping

from ...web.operations import Answer, Header
from ...web.requests import KEY
from .schemas import DeploymentError

PREFIX = "/v1/agent-deployments"
DEPLOYMENT = PREFIX + "/{deployment}"
VERSIONS = DEPLOYMENT + "/versions"
VERSION = VERSIONS + "/{version}"
RUNS = DEPLOYMENT + "/runs"
RUN = RUNS + "/{run}"
SERVICES = DEPLOYMENT + "/services"
SERVICE = SERVICES + "/{service}"

KEY_HEADER = {
    "Idempotency-Key": Header("A repeated create answers with the first one's record.", KEY, required=True)
}
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}


def rejection(description: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error answer as the OpenAPI document describes it."""
    return Answer(description, DeploymentError, headers or {})


FAULT = {400: rejection("A value at fault.")}
ABSENT = {**FAULT, 404: rejection("No such thing.")}
WRONG_STATE = {409: rejection("Its state does not allow it.")}
CREATE = {
    409: rejection("The key was used for another payload, or the state does not allow it."),
    413: rejection("The body is too large."),
    415: rejection("The body is not application/json."),
    429: rejection("No capacity.", _AGAIN),
    503: rejection("The server is stopping.", _AGAIN),
    507: rejection("The disk is full.", _AGAIN),
}
