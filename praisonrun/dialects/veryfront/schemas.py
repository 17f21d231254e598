"""The Veryfront dialect's answers, as its OpenAPI document describes them. Field names are the wire's."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from ...core.json import Json
from ...web.fields import WireModel
from ...web.operations import Answer
from .models import Owner, Target

T = TypeVar("T")


class Failed(WireModel):
    message: str
    code: str | None = None
    detail: Json = None


class RunArtifact(WireModel):
    kind: Literal["file", "output"]
    path: str
    contentType: str  # noqa: N815 - the wire's
    size: int


class RunShown(WireModel):
    """A run. What has no default is always there, be it null."""

    run_id: str
    kind: Literal["agent", "workflow", "task", "eval"]
    status: Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
    owner: Owner
    parent_run_id: str | None
    root_run_id: str
    waiting_reason: Literal["tool", "approval", "event", "input"] | None
    metadata: Json = None
    target: str | None
    workflow_id: str | None
    schedule_id: str | None
    batch_id: str | None
    runtime_target_kind: Target | None
    runtime_target_environment_id: str | None
    runtime_target_branch_id: str | None
    input: Json = None
    config: Json = None
    output: Json = None
    error: Failed | None
    logs: str | None
    artifacts: list[RunArtifact]
    duration_ms: int | None
    exit_code: int | None
    start_mode: str | None
    timeout_seconds: int | None
    backoff_limit: int | None
    trigger_kind: Literal["manual", "schedule", "webhook", "api"] | None
    trigger_id: str | None
    created_by: str | None
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None


class RunAccepted(WireModel):
    accepted: bool
    run: RunShown
    duplicate: bool | None = None
    conversation_id: str | None
    message_id: str | None


class Cancelled(WireModel):
    cancelled: bool
    run: RunShown


class PageInfo(WireModel):
    self: str | None
    first: None
    next: str | None
    prev: None


class Page(WireModel, Generic[T]):
    data: list[T]
    page_info: PageInfo


class EventShown(WireModel):
    event_id: int
    event_type: str
    payload: Json
    created_at: str


class Told(WireModel):
    """One event as a conversation reads it."""

    event_id: int
    event: dict[str, Json]


class Projection(WireModel):
    run_id: str
    conversation_id: str
    message_id: str
    agent_id: str
    status: Literal["pending", "running", "waiting_for_tool", "completed", "failed", "cancelled"]
    latest_event_id: int
    latest_external_event_sequence: int
    waiting_tool_call_id: str | None
    waiting_tool_name: str | None
    terminal_error_code: str | None
    terminal_error_message: str | None
    started_at: str | None
    finished_at: str | None


class Refused(WireModel):
    error: str
    detail: str


NOT_FOUND = {404: Answer("No such run.", Refused)}
BAD = {400: Answer("A parameter or a cursor at fault; `detail` names it.", Refused)}


class RunShownPage(Page[RunShown]):
    """A page of runs."""


class EventShownPage(Page[EventShown]):
    """A page of events."""


class ToldPage(Page[Told]):
    """A page of events as a conversation reads them."""
