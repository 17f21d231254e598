"""The Nullspace dialect's bodies and queries. Field names are the wire's."""

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
