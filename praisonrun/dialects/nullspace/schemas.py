"""The Nullspace dialect's answers, as its OpenAPI document describes them. Field names are the wire's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...core.json import Json
from ...web.fields import Time
from ...web.forms import Described
from .models import ModeWord, RunWord, ServiceWord


class DeploymentError(Described):
    """Every error answer."""

    error: str = Field(description="What is wrong and, where that helps, what to do.")
    code: str = Field(description="The kind of error, for programs: agent_run_not_found, invalid_request, …")
    request_id: str = Field(description="The same as the header x-request-id.")


class Deployment(Described):
    """An agent: one entry of agents.yaml."""

    id: str = Field(description="Made of the name: the same on every server that has this agent.")
    name: str = Field(description="The entry's name.")
    mode: ModeWord = Field(description="service for an agent that is not expected to end, else job.")
    status: Literal["active", "deleted"] = Field(description="deleted: agents.yaml no longer has it.")
    metadata: dict[str, Json] = Field(description="As the entry says.")
    description: str | None = Field(description="As the entry says; null without one.")
    active_version_id: str | None = Field(description="The version that new runs get, or the last one.")
    created_at: Time | None = Field(description="When the oldest version that is kept was first seen.")
    updated_at: Time | None = Field(description="When its latest version was first seen.")
    deleted_at: None = Field(description="Always null.")


class EnvSpec(Described):
    """The names of variables that a client should, or may, supply."""

    required: list[str] = Field(description="Those that the server cannot supply.")
    optional: list[str] = Field(description="Those that are passed on, and that the server does not have.")


class Version(Described):
    """An agent's entry as it is, or was."""

    id: str = Field(description="Made of the entry's digest.")
    deployment_id: str = Field(description="The agent's id.")
    version_number: int = Field(description="1, 2, … for each agent.")
    bundle_digest: str = Field(description="The entry's digest: sha256: and 64 hex digits.")
    bundle_manifest: dict[str, Json] = Field(description="The file that has the entry, and its name there.")
    config: dict[str, Json] = Field(description="The entry, with names in place of env values.")
    template: str = Field(description="Always local.")
    workdir: str = Field(description="The directory that the agent works in.")
    install_command: str | None = Field(description="The entry's `install`; null without one.")
    entrypoint_command: str = Field(description="The entry's command; for a crew its framework and file.")
    service_port: int | None = Field(
        description="A service's fixed port; null for a free one, and for a job."
    )
    readiness_config: dict[str, Json] | None = Field(description="How to see that a service is ready.")
    env_spec: EnvSpec = Field(description="The variables that are to be given as `envs`.")
    resource_config: dict[str, Json] = Field(description="timeout_seconds and concurrency; null: no limit.")
    debug_config: dict[str, Json] = Field(
        description="Whether, and for how many seconds, a failed run's scratch directory is kept."
    )
    status: Literal["created", "ready", "superseded"] = Field(
        description="created until its install command has succeeded; superseded once there is a later one."
    )
    cache_policy: Literal["auto"] = Field(description="Always auto.")
    cache_summary: None = Field(description="Always null.")
    build_summary: None = Field(description="Always null.")
    failure_reason: None = Field(description="Always null.")
    created_at: Time = Field(description="When it was first seen.")
    ready_at: Time | None = Field(
        description="When it was installed; without an install command, created_at."
    )


class _Execution(Described):
    id: str = Field(description="adrun_… for a run, adsvc_… for a service.")
    deployment_id: str = Field(description="The id of its agent.")
    version_id: str = Field(description="The version of the agent that it has for good.")
    created_at: Time = Field(description="When it was submitted.")
    updated_at: Time = Field(description="When it last changed.")
    started_at: Time | None = Field(description="When its first attempt, since a restart, started.")
    sandbox_id: str | None = Field(description="Its scratch directory, while there is one.")
    process_id: int | None = Field(description="The process of its latest attempt; null until it has one.")
    failure_reason: str | None = Field(description="Why it ended badly; null while it has not.")
    idempotency_key: str | None = Field(description="The key that it was created with.")


class Run(_Execution):
    """A run as it is now. Every key is always present."""

    mode: ModeWord = Field(description="Always job.")
    status: RunWord = Field(description="How far it is, or how it ended.")
    input: dict[str, Json] = Field(description="What the agent was given.")
    retain_on_failure: bool | None = Field(description="As it was submitted; null: as the agent says.")
    retention_seconds: int | None = Field(description="As it was submitted; null: as the agent says.")
    exit_code: int | None = Field(description="The agent's; null until it has finished, or if it had none.")
    output_manifest: dict[str, Json] = Field(
        description="What the agent left, or made of its declared outputs; {} until it has finished."
    )
    completed_at: Time | None = Field(description="When it finished.")


class Readiness(Described):
    """What the looks at a service found."""

    phase: ServiceWord = Field(description="The service's status.")
    type: str = Field(description="How it is looked at: http, tcp or timeout.")
    path: str | None = Field(description="What an http look asks for; null for other types.")
    ok: bool = Field(description="Whether the last look found it well.")
    attempts: int = Field(description="Looks since this server watches it.")
    consecutive_failures: int = Field(description="Looks in a row, up to the last, that found it not well.")
    last_status_code: int | None = Field(description="The HTTP status that the last look got.")
    last_error: str | None = Field(description="Why the last look found it not well.")
    last_checked_at: Time | None = Field(description="When the last look was.")


class Service(_Execution):
    """A service as it is now. Every key is always present."""

    status: ServiceWord = Field(description="How it is, or how it ended.")
    port: int = Field(description="The port of 127.0.0.1 that it listens on.")
    public_url: str | None = Field(description="Its URL while it is ready; null if its entry wants none.")
    readiness_status: Readiness = Field(description="What the looks at it found.")
    stopped_at: Time | None = Field(description="When it ended.")


class ServiceUrl(Described):
    """Where a service answers."""

    service_id: str = Field(description="The service's id.")
    status: ServiceWord = Field(description="How it is, or how it ended.")
    public_url: str | None = Field(description="Its URL while it is ready; null if its entry wants none.")
    port: int = Field(description="The port of 127.0.0.1 that it listens on.")


class LogEvent(Described):
    """One line of a log, or one thing that happened."""

    id: str = Field(description="The same whenever the event is read.")
    deployment_id: str = Field(description="The id of the agent.")
    version_id: str = Field(description="The version of the agent.")
    run_id: str | None = Field(description="The run; null in a service's log.")
    service_instance_id: str | None = Field(description="The service; null in a run's log.")
    sandbox_id: str | None = Field(description="The scratch directory that there is now.")
    process_id: int | None = Field(description="The process of the latest attempt, not of the event's.")
    level: Literal["trace", "debug", "info", "warn", "error"] = Field(description="How bad it is.")
    source: Literal["lifecycle", "readiness", "stderr", "stdout", "system"] = Field(
        description="Who says it: the agent's output, its events (system), the looks at it, or praisonrun."
    )
    event_type: str = Field(description="What it is: stdout, agent_event, run_started, process_exited, …")
    message: str = Field(description="The line, or what happened in words.")
    metadata: dict[str, Json] = Field(
        description="source, and what else there is: attempt, event, failure, …"
    )
    created_at: Time = Field(description="When it happened.")


class LogPage(Described):
    """Some events of a log, and the cursor after them."""

    events: list[LogEvent] = Field(description="The events of this page, oldest first.")
    offset: int = Field(description="As it was asked for.")
    limit: int = Field(description="The most events of a page.")
    has_more: bool = Field(description="Whether there are more events now.")
    next_cursor: str = Field(description="The cursor after them, also where the next events are yet to come.")


class Outputs(Described):
    """What a run left."""

    run_id: str = Field(description="The run's id.")
    output_manifest: dict[str, Json] = Field(description="As the run shows it.")
    outputs: list[Json] = Field(description="The manifest's own list.")


class _Page(Described):
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last.")


class DeploymentPage(_Page):
    """A page of deployments."""

    items: list[Deployment] = Field(description="The deployments of this page.")


class VersionPage(_Page):
    """A page of versions."""

    items: list[Version] = Field(description="The versions of this page, latest first.")


class RunPage(_Page):
    """A page of runs."""

    items: list[Run] = Field(description="The runs of this page, newest first.")


class ServicePage(_Page):
    """A page of services."""

    items: list[Service] = Field(description="The services of this page, newest first.")
