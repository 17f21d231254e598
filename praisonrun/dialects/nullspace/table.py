"""The deployments dialect's table of operations: it drives the routes and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine.engine import Engine
from ...web.idempotency import KEY
from ...web.operations import Answer, Endpoint, Header, Operation
from . import models
from .endpoints import Deployments
from .services import Services

ROOTS = ("v1",)
"""The first part of this dialect's paths."""
PREFIX = "/v1/agent-deployments"
DEPLOYMENT = PREFIX + "/{deployment}"
VERSIONS = DEPLOYMENT + "/versions"
VERSION = VERSIONS + "/{version}"
RUNS = DEPLOYMENT + "/runs"
RUN = RUNS + "/{run}"
SERVICES = DEPLOYMENT + "/services"
SERVICE = SERVICES + "/{service}"
TAG = "agent deployments"
_KEY = {
    "Idempotency-Key": Header("A repeated create answers with the first one's record.", KEY, required=True)
}
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}


def operations(engine: Engine) -> list[Operation]:
    """Return the dialect's operations over an engine."""
    all_, services = Deployments(engine), Services(engine)
    run, service, page = (
        Answer("The run.", models.Run),
        Answer("The service.", models.Service),
        Answer("A page of a log.", models.LogPage),
    )
    return [
        _row("GET", PREFIX, "list_deployments", "List agents", all_.find, {200: Answer("A page.", models.DeploymentPage), **_FAULT}, query=models.DeploymentsQuery),
        _row("GET", DEPLOYMENT, "get_deployment", "Get an agent", all_.get, {200: Answer("The agent.", models.Deployment), **_ABSENT}),
        _row("GET", VERSIONS, "list_versions", "List an agent's versions, the latest first", all_.versions, {200: Answer("A page.", models.VersionPage), **_ABSENT}, query=models.VersionsQuery),
        _row("GET", VERSION, "get_version", "Get a version", all_.version, {200: Answer("The version.", models.Version), **_ABSENT}),
        _row("POST", RUNS, "create_run", "Create a run", all_.submit, {201: run, **_ABSENT, **_CREATE}, body=models.RunCreate, headers=_KEY, large=True),
        _row("GET", RUNS, "list_deployment_runs", "List an agent's runs, newest first", all_.find_runs, {200: Answer("A page.", models.RunsPage), **_ABSENT}, query=models.RunsQuery),
        _row("GET", RUN, "get_deployment_run", "Get a run", all_.get_run, {200: run, **_ABSENT}),
        _row("POST", RUN + "/cancel", "cancel_deployment_run", "Cancel a run", all_.cancel, {200: run, **_ABSENT, **_WRONG}, body=models.Cancel),
        _row("GET", RUN + "/logs", "get_run_logs", "Read a run's log", all_.logs, {200: page, **_ABSENT}, query=models.LogsQuery),
        _row("GET", RUN + "/outputs", "get_run_outputs", "Get what a run left", all_.outputs, {200: Answer("The outputs.", models.Outputs), **_ABSENT}),
        _row("POST", SERVICES, "create_service", "Start a service", services.start, {201: service, **_ABSENT, **_CREATE}, body=models.ServiceCreate, headers=_KEY),
        _row("GET", SERVICES, "list_services", "List an agent's services, newest first", services.find, {200: Answer("A page.", models.ServicePage), **_ABSENT}, query=models.ServicesQuery),
        _row("GET", SERVICE, "get_service", "Get a service", services.get, {200: service, **_ABSENT}),
        _row("POST", SERVICE + "/stop", "stop_service", "Stop a service", services.stop, {200: service, **_ABSENT, **_WRONG}, body=models.Stop),
        _row("POST", SERVICE + "/restart", "restart_service", "Restart a service", services.restart, {200: service, **_ABSENT, **_CREATE}, body=models.Restart),
        _row("GET", SERVICE + "/logs", "get_service_logs", "Read a service's log", services.logs, {200: page, **_ABSENT}, query=models.LogsQuery),
        _row("GET", SERVICE + "/url", "get_service_url", "Get a service's address", services.url, {200: Answer("Where it answers.", models.ServiceUrl), **_ABSENT}),
        *(
            _row(method, path, f"{method.lower()}_{what}", "Refused: agents.yaml is the source of truth", all_.refuse, {501: _refused("Not here.")})
            for method, path, what in _ELSEWHERE
        ),
    ]  # fmt: skip


def _refused(description: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(description, models.DeploymentError, headers or {})


_FAULT = {400: _refused("A value at fault.")}
_ABSENT = {**_FAULT, 404: _refused("No such thing.")}
_WRONG = {409: _refused("Its state does not allow it.")}
_CREATE = {
    409: _refused("The key was used for another payload, or the state does not allow it."),
    413: _refused("The body is too large."),
    415: _refused("The body is not application/json."),
    429: _refused("No capacity.", _AGAIN),
    503: _refused("The server is stopping.", _AGAIN),
    507: _refused("The disk is full.", _AGAIN),
}
_ELSEWHERE = (
    ("POST", PREFIX, "deployment"),
    ("PATCH", DEPLOYMENT, "deployment"),
    ("DELETE", DEPLOYMENT, "deployment"),
    ("POST", VERSIONS, "version"),
    ("PATCH", VERSION, "version"),
    ("DELETE", VERSION, "version"),
    ("PUT", VERSION + "/bundle", "bundle"),
)


def _row(
    method: str,
    path: str,
    name: str,
    summary: str,
    endpoint: Endpoint,
    answers: Mapping[int, Answer],
    **more: Any,
) -> Operation:
    return Operation(method, path, name, summary, endpoint, answers=answers, tag=TAG, **more)
