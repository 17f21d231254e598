"""The jobs dialect's bodies and queries. Field names are the wire's."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ...core.json import Json
from ...core.model import Status
from ...web.fields import Envs, Flag, Name, Text, Whole, WireModel


class Submit(WireModel):
    """A run to be made. Fields that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    prompt: Text = Field(description="What the agent is asked: 1 byte to 1 MiB of text.", min_length=1)
    agent: Name | None = Field(None, description="An entry of agents.yaml; default: the file's default.")
    agent_file: Text | None = Field(None, description="A YAML file inside the agent roots.")
    agent_yaml: Text | None = Field(None, description="An inline agents file: 403 unless that is allowed.")
    framework: Name | None = Field(None, description="Which framework executes a crew; default praisonai.")
    timeout: Whole | None = Field(
        3600, ge=1, le=10**9, description="Seconds; the entry's own is the upper bound."
    )
    webhook_url: Text | None = Field(None, max_length=2048, description="Told when the run is final.")
    session_id: Name | None = Field(
        None, description="Groups runs; reaches the agent as PRAISONRUN_SESSION_ID."
    )
    recipe_name: Name | None = Field(None, description="Names an entry of agents.yaml, as `agent` does.")
    recipe_config: dict[str, Json] | None = None
    config: dict[str, Json] | None = Field(None, description="Reaches the agent in its input file.")
    idempotency_key: str | None = Field(None, description="The header's body form; the header wins.")
    idempotency_scope: Literal["none", "global", "session"] | None = None
    envs: Envs | None = Field(None, description="Environment of this run. Values are never stored.")
    metadata: dict[str, Json] | None = None
    priority: Whole | None = Field(None, ge=-(10**6), le=10**6, description="Higher is sooner.")
    retries: Whole | None = Field(None, ge=0, le=100)
    retention_seconds: Whole | None = Field(None, ge=1, le=10**9)
    parent: Name | None = Field(None, description="The run on whose behalf this is; its cancel is passed on.")


class Retry(WireModel):
    """What a retry needs anew."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    envs: Envs | None = Field(None, description="The origin's envs, which were never stored.")


class ListQuery(WireModel):
    """Filters and page of a list."""

    status: str | None = Field(None, json_schema_extra={"enum": [status.value for status in Status]})
    session_id: str | None = None
    agent: str | None = None
    root: str | None = Field(None, description="Only the tree of this run.")
    mode: Literal["run", "service"] = Field("run", description="Services are listed only when asked for.")
    page: int = Field(1, ge=1, le=10**9)
    page_size: int = Field(20, ge=1, le=100)


class CancelQuery(WireModel):
    """How to cancel."""

    wait: Flag = Field(True, description="Answer once the process is gone.")


class EventsQuery(WireModel):
    """Where a stream begins, and which page of events it answers to `Accept: application/json`."""

    after: int | None = Field(None, ge=0, lt=2**62, description="An event's id; Last-Event-ID does the same.")
    wait: float = Field(0.0, ge=0, le=300, description="Seconds to wait for something new.")
    limit: int = Field(1000, ge=1, le=10_000, description="The most events of one answer.")


class LogsQuery(WireModel):
    """Which part of the output."""

    follow: Flag = Field(False, description="Go on until the run is final.")
    tail: int | None = Field(None, ge=0, le=10**9, description="Only the last N lines.")
    stream: Literal["stdout", "stderr"] | None = None
