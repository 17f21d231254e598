"""The Veryfront dialect's bodies and queries. Field names are the wire's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from ...core.json import Json
from ...web.fields import Text, Whole, WireModel


def _reachable(public_id: str) -> str:
    if public_id in (".", ".."):
        raise ValueError("must not be '.' or '..', which no URL can name")
    return public_id


UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
Uuid = Annotated[str, StringConstraints(pattern=UUID)]
PublicId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$"), AfterValidator(_reachable)]
Word = Annotated[Text, StringConstraints(min_length=1, max_length=256)]
Target = Literal["main_branch", "environment", "preview_branch"]


_SHOWN = "The run shows it unchanged; it changes nothing here."
_ECHOED = "The run's metadata repeats it; it changes nothing here."


class Owner(WireModel):
    """Whose run it is."""

    kind: Literal["conversation", "project"] = Field(description="What owns it.")
    id: Uuid = Field(description="The conversation's or project's id.")


class Trigger(WireModel):
    """What made somebody ask for the run. The run's metadata repeats it; its trigger_id is one of these."""

    conversation_id: Uuid | None = Field(default=None, description="The trigger_id if it is the only one.")
    message_id: Uuid | None = Field(default=None, description="The trigger_id without a tool_call_id.")
    tool_call_id: Word | None = Field(default=None, description="The trigger_id.")


class Shown(WireModel):
    """Fields that the run shows unchanged."""

    batch_id: Word | None = Field(None, description=_SHOWN)
    start_mode: Word | None = Field(None, description=_SHOWN)
    runtime_target_kind: Target | None = Field(None, description=_SHOWN)
    runtime_target_environment_id: Word | None = Field(None, description=_SHOWN)
    runtime_target_branch_id: Word | None = Field(None, description=_SHOWN)


class Echoed(WireModel):
    """Fields that the run's metadata repeats."""

    implementation_kind: Text | None = Field(None, description=_ECHOED)
    worker_key: Text | None = Field(None, description=_ECHOED)
    source_target_kind: Text | None = Field(None, description=_ECHOED)
    source_target_environment_id: Text | None = Field(None, description=_ECHOED)
    source_target_branch_id: Text | None = Field(None, description=_ECHOED)
    source_target_release_version: Text | None = Field(None, description=_ECHOED)


class Request(Shown, Echoed):
    """What to run. Fields that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    agent_id: Word | None = Field(None, description="Kind agent: an entry of agents.yaml.")
    input: Json = Field(None, description="Kind agent: {messages} or {prompt}; reaches the agent verbatim.")
    initial_status: Literal["pending", "running"] | None = Field(
        None, description="pending without input holds the run until the same public_id brings it."
    )
    target: Word | None = Field(None, description="Kind task: task:NAME, an entry of agents.yaml.")
    name: Text | None = Field(None, description="Of a task; it is not used.")
    config: Json = Field(None, description="Kind task: config.prompt is the prompt, else all of it.")
    timeout_seconds: Whole | None = Field(
        None, ge=1, le=10**9, description="The entry's own is the upper bound; each attempt has it."
    )
    backoff_limit: Whole | None = Field(None, ge=0, le=100, description="How often a failed run is retried.")
    metadata: dict[str, Json] | None = Field(None, description="Any JSON of yours, shown with the run.")


class Create(WireModel):
    """A run to be made. Fields that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    kind: Literal["agent", "task", "workflow", "eval"] = Field(description="agent or task.")
    owner: Owner = Field(description="Whose run it is; the list of a project has those that it owns.")
    request: Request = Field(description="What to run, and how.")
    public_id: PublicId | None = Field(None, description="The run's own id, and its idempotency key.")
    parent_run_id: Annotated[Text, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description="The run on whose behalf this is; its cancel is passed on."
    )
    trigger: Trigger | None = Field(None, description="What made somebody ask for it.")
    conversation_mode: Literal["create_new", "existing", "none"] | None = Field(
        None, description="create_new makes an id for a conversation; existing needs conversation_id."
    )
    conversation_id: Uuid | None = Field(None, description="With conversation_mode existing, and only there.")


class RunsQuery(WireModel):
    cursor: str | None = Field(
        None, description="The `next` of the page before.", json_schema_extra={"pattern": "^[0-9]{1,18}$"}
    )
    limit: int = Field(50, ge=1, le=200, description="The most runs of a page.")
    root_run_id: str | None = Field(None, description="Only the tree of this run.")


class EventsQuery(WireModel):
    after_event_id: int | None = Field(None, ge=0, lt=2**62, description="The id of the last event seen.")
    limit: int = Field(100, ge=1, le=1000, description="The most events of a page; a stream has no limit.")
