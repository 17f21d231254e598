"""The deployments dialect's bodies and queries: what is taken, what is shown. Field names are the wire's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool

from ...core.json import Json
from ...web.fields import Envs, Text, Whole, WireModel

RunWord = Literal[
    "queued", "starting", "installing", "running", "succeeded", "failed", "cancelled", "timed_out"
]
ServiceWord = Literal["starting", "ready", "unhealthy", "stopping", "stopped", "failed"]
ModeWord = Literal["job", "service"]
Reason = Annotated[Text, Field(max_length=2000)]
_TAKEN = ConfigDict(extra="ignore", hide_input_in_errors=True)


class RunCreate(WireModel):
    """A run to be made."""

    model_config = _TAKEN

    version_id: Text | None = Field(None, description="The current version, if any is named.")
    input: dict[str, Json] | None = Field(None, description="Reaches the agent as it is.")
    envs: Envs | None = Field(None, description="Environment of this run. Values are never stored.")
    retain_on_failure: StrictBool | None = Field(
        None, description="Keep the scratch directory if the run fails; default: as the agent says."
    )
    retention_seconds: Whole | None = Field(None, ge=1, le=10**9, description="For how long.")


class ServiceCreate(WireModel):
    """A service to be started."""

    model_config = _TAKEN

    version_id: Text | None = Field(None, description="The current version, if any is named.")
    envs: Envs | None = Field(None, description="Environment of the service. Values are never stored.")


class Cancel(WireModel):
    """Why a run is cancelled."""

    model_config = _TAKEN

    reason: Reason | None = None


class Stop(Cancel):
    """Why a service is stopped, and what is kept of it."""

    retain_sandbox: StrictBool | None = Field(None, description="Keep its scratch directory for a while.")


class Restart(Cancel):
    """Why a service is restarted, and with what."""

    envs: Envs | None = Field(None, description="The environment, once more: it was never stored.")


class PageQuery(WireModel):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, description="The `next_cursor` of the page before.")


class DeploymentsQuery(PageQuery):
    """Which deployments."""

    mode: ModeWord | None = None
    status: Literal["active", "paused", "deleted"] | None = None


class VersionsQuery(PageQuery):
    """Which versions."""

    status: Literal["created", "building", "ready", "failed", "superseded"] | None = None


class RunsQuery(PageQuery):
    """Which runs."""

    status: RunWord | None = None
    version_id: str | None = None


class ServicesQuery(PageQuery):
    """Which services."""

    status: ServiceWord | None = None
    version_id: str | None = None


class LogsQuery(WireModel):
    """Which part of a log: from a number of events on, after a cursor, or the newest."""

    offset: int = Field(0, ge=0, le=10**12)
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, description="The `next_cursor` of the page before.")
    tail: int | None = Field(
        None, ge=1, le=10_000, description="Only the newest events, however many `limit` says."
    )


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


class Run(WireModel):
    """A run as it is now. Every key is always present."""

    id: str
    deployment_id: str
    version_id: str
    mode: ModeWord
    status: RunWord
    input: dict[str, Json]
    created_at: str
    updated_at: str
    retain_on_failure: bool | None
    retention_seconds: int | None
    sandbox_id: str | None
    process_id: int | None
    exit_code: int | None
    failure_reason: str | None
    output_manifest: dict[str, Json]
    started_at: str | None
    completed_at: str | None
    idempotency_key: str | None


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


class Service(WireModel):
    """A service as it is now. Every key is always present."""

    id: str
    deployment_id: str
    version_id: str
    status: ServiceWord
    port: int
    created_at: str
    updated_at: str
    sandbox_id: str | None
    process_id: int | None
    public_url: str | None
    readiness_status: Readiness
    failure_reason: str | None
    started_at: str | None
    stopped_at: str | None
    idempotency_key: str | None


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


class DeploymentPage(WireModel):
    """A page of deployments, in the file's order."""

    items: list[Deployment]
    next_cursor: str | None


class VersionPage(WireModel):
    """A page of versions, the latest first."""

    items: list[Version]
    next_cursor: str | None


class RunsPage(WireModel):
    """A page of runs, newest first."""

    items: list[Run]
    next_cursor: str | None


class ServicePage(WireModel):
    """A page of services, newest first."""

    items: list[Service]
    next_cursor: str | None
