"""The Nullspace dialect's answers, as its OpenAPI document describes them. Field names are the wire's."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from ...core.json import Json
from ...web.fields import WireModel
from .models import ModeWord, RunWord, ServiceWord

Item = TypeVar("Item", bound=WireModel)


class DeploymentError(WireModel):
    """Every error answer."""

    error: str
    code: str
    request_id: str


class Deployment(WireModel):
    """An agent: one entry of agents.yaml."""

    id: str
    name: str
    mode: ModeWord
    status: Literal["active", "deleted"]
    metadata: dict[str, Json]
    description: str | None
    active_version_id: str | None
    created_at: str | None
    updated_at: str | None
    deleted_at: str | None


class EnvSpec(WireModel):
    """The names of variables that a client should, or may, supply."""

    required: list[str]
    optional: list[str]


class Version(WireModel):
    """An agent's entry as it is, or was."""

    id: str
    deployment_id: str
    version_number: int
    bundle_digest: str
    bundle_manifest: dict[str, Json]
    config: dict[str, Json]
    template: str
    workdir: str
    install_command: str | None
    entrypoint_command: str
    service_port: int | None
    readiness_config: dict[str, Json] | None
    env_spec: EnvSpec
    resource_config: dict[str, Json]
    debug_config: dict[str, Json]
    status: Literal["created", "ready", "superseded"]
    cache_policy: Literal["auto"]
    cache_summary: None
    build_summary: None
    failure_reason: None
    created_at: str
    ready_at: str | None


class _Execution(WireModel):
    id: str
    deployment_id: str
    version_id: str
    created_at: str
    updated_at: str
    started_at: str | None
    sandbox_id: str | None
    process_id: int | None
    failure_reason: str | None
    idempotency_key: str | None


class Run(_Execution):
    """A run as it is now. Every key is always present."""

    mode: ModeWord
    status: RunWord
    input: dict[str, Json]
    retain_on_failure: bool | None
    retention_seconds: int | None
    exit_code: int | None
    output_manifest: dict[str, Json]
    completed_at: str | None


class Readiness(WireModel):
    """What the looks at a service found."""

    phase: ServiceWord
    type: str
    path: str | None
    ok: bool
    attempts: int
    consecutive_failures: int
    last_status_code: int | None
    last_error: str | None
    last_checked_at: str | None


class Service(_Execution):
    """A service as it is now. Every key is always present."""

    status: ServiceWord
    port: int
    public_url: str | None
    readiness_status: Readiness
    stopped_at: str | None


class ServiceUrl(WireModel):
    """Where a service answers."""

    service_id: str
    status: ServiceWord
    public_url: str | None
    port: int


class LogEvent(WireModel):
    """One line of a log, or one thing that happened."""

    id: str
    deployment_id: str
    version_id: str
    run_id: str | None
    service_instance_id: str | None
    sandbox_id: str | None
    process_id: int | None
    level: Literal["trace", "debug", "info", "warn", "error"]
    source: Literal["lifecycle", "readiness", "stderr", "stdout", "system"]
    event_type: str
    message: str
    metadata: dict[str, Json]
    created_at: str


class LogPage(WireModel):
    """Some events of a log, and the cursor after them."""

    events: list[LogEvent]
    offset: int
    limit: int
    has_more: bool
    next_cursor: str


class Outputs(WireModel):
    """What a run left."""

    run_id: str
    output_manifest: dict[str, Json]
    outputs: list[Json]


class Page(WireModel, Generic[Item]):
    """A page of a list, and the cursor after it."""

    items: list[Item]
    next_cursor: str | None


class DeploymentPage(Page[Deployment]):
    """A page of deployments."""


class VersionPage(Page[Version]):
    """A page of versions."""


class RunPage(Page[Run]):
    """A page of runs."""


class ServicePage(Page[Service]):
    """A page of services."""
