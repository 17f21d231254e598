"""The Veryfront dialect's answers, as its OpenAPI document describes them. Field names are the wire's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...core.json import Json
from ...web.fields import Time
from ...web.forms import Described
from ...web.operations import Answer
from .event_models import AgUiEvent, EventShown
from .models import Owner, Target


class Failed(Described):
    """Why a run failed or was cancelled."""

    message: str = Field(description="In words.")
    code: str | None = Field(
        None, description="The kind of failure: exit_nonzero, timed_out, …; left out for a cancel."
    )
    detail: Json = Field(None, description="Of a failure: exit_code, signal and attempt.")


class RunArtifact(Described):
    """One file that a run left."""

    kind: Literal["file", "output"] = Field(description="output: one that its entry declares.")
    path: str = Field(description="Its place among the run's artifacts; for an output as the entry has it.")
    contentType: str = Field(description="The media type that its name suggests.")  # noqa: N815 - the wire's
    size: int = Field(description="Bytes.")


class RunShown(Described):
    """A run. What is not required is left out of lists; all else is always there, be it null."""

    run_id: str = Field(description="The run's id.")
    kind: Literal["agent", "workflow", "task", "eval"] = Field(description="agent or task.")
    status: Literal["pending", "running", "waiting", "completed", "failed", "cancelled"] = Field(
        description="pending also while its process is being started; waiting while it asks something."
    )
    owner: Owner = Field(description="Whose it is; for a run of another API a project of zeros.")
    parent_run_id: str | None = Field(description="The run on whose behalf it was submitted.")
    root_run_id: str = Field(description="The top of its tree; its own id if it has no parent.")
    waiting_reason: Literal["tool", "approval", "event", "input"] | None = Field(
        description="What a waiting run waits for: approval, whether it may do something; else input."
    )
    metadata: Json = Field(description="As it was submitted, with what else it repeats of the request.")
    target: str | None = Field(description="Its kind, a colon, and the entry of agents.yaml that runs it.")
    workflow_id: str | None = Field(description="Always null.")
    schedule_id: str | None = Field(description="Always null.")
    batch_id: str | None = Field(description="As it was submitted.")
    runtime_target_kind: Target | None = Field(description="As it was submitted.")
    runtime_target_environment_id: str | None = Field(description="As it was submitted.")
    runtime_target_branch_id: str | None = Field(description="As it was submitted.")
    input: Json = Field(None, description="What an agent was given.")
    config: Json = Field(None, description="What a task was given.")
    output: Json = Field(None, description="The answer: JSON that it wrote, or the text that it printed.")
    error: Failed | None = Field(description="Why it failed or was cancelled.")
    logs: str | None = Field(description="The last 256 KiB of output of a finished run; null in lists.")
    artifacts: list[RunArtifact] = Field(description="The files that it left, declared outputs first.")
    duration_ms: int | None = Field(description="What the latest attempt took; null until it has finished.")
    exit_code: int | None = Field(description="The agent's; null until it has finished, or if it had none.")
    start_mode: str | None = Field(description="As it was submitted.")
    timeout_seconds: int | None = Field(description="What an attempt may take; null for no limit.")
    backoff_limit: int | None = Field(description="How often it is retried if it fails.")
    trigger_kind: Literal["manual", "schedule", "webhook", "api"] | None = Field(description="Always api.")
    trigger_id: str | None = Field(description="The tool call, message or conversation of its trigger.")
    created_by: str | None = Field(description="Always null.")
    created_at: Time = Field(description="When it was submitted.")
    updated_at: Time = Field(description="When it last changed.")
    started_at: Time | None = Field(description="When its first attempt started.")
    completed_at: Time | None = Field(description="When it finished.")


class RunAccepted(Described):
    """A run that was taken."""

    accepted: bool = Field(description="Always true.")
    run: RunShown = Field(description="The run as it is now.")
    duplicate: bool = Field(False, description="true where the public_id was known; else it is left out.")
    conversation_id: str | None = Field(description="The conversation given, or made for it; else null.")
    message_id: str | None = Field(description="The message that it writes in a conversation made for it.")


class Cancelled(Described):
    """What a cancel came to."""

    cancelled: bool = Field(description="Whether it is cancelled; false if it had finished otherwise.")
    run: RunShown = Field(description="The run as it is now.")


class PageInfo(Described):
    """Where a page is in its list."""

    self: str | None = Field(description="The cursor that was given.")
    first: None = Field(description="Always null: begin without a cursor.")
    next: str | None = Field(description="The cursor of the next page; null on the last.")
    prev: None = Field(description="Always null.")


class _Page(Described):
    page_info: PageInfo = Field(description="Where the page is.")


class Told(Described):
    """One event as a conversation reads it."""

    event_id: int = Field(description="A cursor: greater than the ids of all events before it.")
    event: AgUiEvent = Field(description="The event: its type, fields and attempt.")


class Projection(Described):
    """A run as its conversation sees it."""

    run_id: str = Field(description="The run's id.")
    conversation_id: str = Field(description="The run's own conversation, else the one that owns it.")
    message_id: str = Field(description="The message that the run writes in its conversation.")
    agent_id: str = Field(description="The entry of agents.yaml that runs it.")
    status: Literal["pending", "running", "waiting_for_tool", "completed", "failed", "cancelled"] = Field(
        description="As the run's, but running while it asks something."
    )
    latest_event_id: int = Field(description="The id of its latest event; 0 before the first.")
    latest_external_event_sequence: int = Field(description="Always 0.")
    waiting_tool_call_id: str | None = Field(description="Always null.")
    waiting_tool_name: str | None = Field(description="Always null.")
    terminal_error_code: str | None = Field(description="The kind of failure of a failed run.")
    terminal_error_message: str | None = Field(description="Why it failed or was cancelled.")
    started_at: Time | None = Field(description="When its first attempt started.")
    finished_at: Time | None = Field(description="When it finished.")


class Refused(Described):
    """Every error answer."""

    error: str = Field(description="The kind of error, for programs: not_found, invalid, …")
    detail: str = Field(description="What is wrong and, where that helps, what to do.")


NOT_FOUND = {404: Answer("No such run.", Refused)}
BAD = {400: Answer("A parameter or a cursor at fault; `detail` names it.", Refused)}


class RunShownPage(_Page):
    """A page of runs."""

    data: list[RunShown] = Field(description="The runs of this page, newest first.")


class EventShownPage(_Page):
    """A page of events."""

    data: list[EventShown] = Field(description="The events of this page, in order.")


class ToldPage(_Page):
    """A page of events as a conversation reads them."""

    data: list[Told] = Field(description="The events of this page, in order.")
