"""The Nullspace dialect's bodies and queries. Field names are the wire's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from ...core.json import Json
from ...web.fields import Envs, Text, Whole, WireModel

RunWord = Literal[
    "queued", "starting", "installing", "running", "succeeded", "failed", "cancelled", "timed_out"
]
ServiceWord = Literal["starting", "ready", "unhealthy", "stopping", "stopped", "failed"]
ModeWord = Literal["job", "service"]
_STATUS = "One status, or several: with commas between them, or the parameter repeated."
_VERSION = "Only those of this version."


def _some_of(word: Any) -> tuple[Any, Any]:
    """Return what makes a text be words of a kind, with commas between them."""
    known = get_args(word)

    def check(text: str) -> str:
        if not {*text.split(",")} <= {*known}:
            raise ValueError(f"must be of {', '.join(known)}")
        return text

    pattern = f"^({'|'.join(known)})(,({'|'.join(known)}))*$"
    return AfterValidator(check), Field(json_schema_extra={"pattern": pattern})


class _Body(WireModel):
    """Its values may be secret, so errors do not repeat them."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class RunCreate(_Body):
    """A run to be made."""

    version_id: Text | None = Field(None, description="The current version, if any is named.")
    input: dict[str, Json] | None = Field(None, description="Reaches the agent as it is.")
    envs: Envs | None = Field(None, description="Environment of this run. Values are never stored.")
    retain_on_failure: StrictBool | None = Field(
        None, description="Keep the scratch directory if the run fails; default: as the agent says."
    )
    retention_seconds: Whole | None = Field(None, ge=1, le=10**9, description="For how long.")


class ServiceCreate(_Body):
    """A service to be started."""

    version_id: Text | None = Field(None, description="The current version, if any is named.")
    envs: Envs | None = Field(None, description="Environment of the service. Values are never stored.")


class Cancel(_Body):
    """Why a run is cancelled."""

    reason: Text | None = Field(
        None, max_length=2000, description="In words. A cancelled run's failure_reason has it."
    )


class Stop(Cancel):
    """Why a service is stopped, and what is kept of it."""

    retain_sandbox: StrictBool | None = Field(None, description="Keep its scratch directory for a while.")


class Restart(Cancel):
    """Why a service is restarted, and with what."""

    envs: Envs | None = Field(None, description="The environment, once more: it was never stored.")


class PageQuery(WireModel):
    limit: int = Field(50, ge=1, le=200, description="The most items of a page.")
    cursor: str | None = Field(None, description="The `next_cursor` of the page before.")


class DeploymentsQuery(PageQuery):
    mode: ModeWord | None = Field(None, description="Only jobs, or only services.")
    status: Literal["active", "paused", "deleted"] | None = Field(
        None, description="deleted: those that agents.yaml no longer has. None is ever paused."
    )


class VersionsQuery(PageQuery):
    status: Literal["created", "building", "ready", "failed", "superseded"] | None = Field(
        None, description="Only versions with this status. None is ever building or failed."
    )


class RunsQuery(PageQuery):
    several = frozenset({"status"})

    status: Annotated[str, *_some_of(RunWord)] | None = Field(None, description=_STATUS)
    version_id: str | None = Field(None, description=_VERSION)


class ServicesQuery(PageQuery):
    several = frozenset({"status"})

    status: Annotated[str, *_some_of(ServiceWord)] | None = Field(None, description=_STATUS)
    version_id: str | None = Field(None, description=_VERSION)


class LogsQuery(PageQuery):
    """Which part of a log: from a number of events on, after a cursor, or the newest."""

    offset: int = Field(0, ge=0, le=10**12, description="Events to leave out first; without a cursor only.")
    limit: int = Field(100, ge=1, le=1000, description="The most events of a page.")
    tail: int | None = Field(None, ge=1, le=10_000, description="The newest events only; `limit` is unused.")
