"""A run's events in AG-UI's words, as the OpenAPI document describes them: a form for each kind."""
# ruff: noqa: N815 - the wire's names

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from ...core.json import Json
from ...web.fields import Time
from ...web.forms import Described, OneOf, more
from .events import camel


class _Payload(Described):
    attempt: int = Field(description="The attempt that it belongs to: 1, 2, …")


class _Run(_Payload):
    runId: str = Field(description="The run's id.")
    threadId: str = Field(description="The run's conversation, else the run's id.")
    agentId: str = Field(description="The entry of agents.yaml that runs it.")


class RunStartedPayload(_Run):
    """The run's first attempt started."""


class RunFinishedPayload(_Run):
    """The run succeeded."""

    result: Json = Field(description="Its answer: JSON that it wrote, or the text that it printed.")
    metadata: dict[str, int] = Field({}, description="Tokens that it used, if it says so: inputTokens, …")


class RunErrorPayload(_Payload):
    """The run failed or was cancelled."""

    code: str = Field(description="The kind of failure, or CANCELLED.")
    message: str = Field(description="Why, in words.")


class _Message(_Payload):
    messageId: str = Field(description="Which message: all text that an attempt prints is one.")
    contentId: str = Field(description="Which part of it; a message has one.")


class TextMessageStartPayload(_Message):
    """A message begins."""

    role: Literal["assistant"] = Field(description="Always assistant.")


class TextMessageContentPayload(_Message):
    """A piece of a message."""

    delta: str = Field(description="The text.")


class TextMessageEndPayload(_Message):
    """A message is whole."""


class _Call(_Payload):
    toolCallId: str = Field(description="Which call of a tool.")


class ToolCallStartPayload(_Call):
    """The agent calls a tool."""

    toolCallName: str = Field(description="The tool.")


class ToolCallArgsPayload(_Call):
    """What a tool is given."""

    delta: str = Field(description="Text, or JSON as text.")


class ToolCallEndPayload(_Call):
    """A call of a tool is whole."""


class ToolCallResultPayload(_Call):
    """What a tool gave back."""

    messageId: str = Field(description="The message that it is.")
    content: str = Field(description="Text, or JSON as text.")
    role: Literal["tool"] = Field(description="Always tool.")
    isError: Literal[True] = Field(True, description="There if the call failed.")


class CustomPayload(_Payload):
    """What AG-UI has no word for."""

    name: str = Field(description="status, progress, usage, ask or log.")
    value: dict[str, Json] = Field(description="Its fields, as in the jobs API.")


PAYLOADS: Mapping[str, type[Described]] = {
    "RUN_STARTED": RunStartedPayload,
    "RUN_FINISHED": RunFinishedPayload,
    "RUN_ERROR": RunErrorPayload,
    "TEXT_MESSAGE_START": TextMessageStartPayload,
    "TEXT_MESSAGE_CONTENT": TextMessageContentPayload,
    "TEXT_MESSAGE_END": TextMessageEndPayload,
    "TOOL_CALL_START": ToolCallStartPayload,
    "TOOL_CALL_ARGS": ToolCallArgsPayload,
    "TOOL_CALL_END": ToolCallEndPayload,
    "TOOL_CALL_RESULT": ToolCallResultPayload,
    "CUSTOM": CustomPayload,
}
"""The form of an event's fields, by its type."""


class StreamedPayload(OneOf):
    """The data of one Server-Sent Event of a run. Its name is the type in camel case: RunStarted, …"""

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        return PAYLOADS.values()


class _Event(Described):
    event_id: int = Field(description="A cursor: greater than the ids of all events before it.")
    created_at: Time = Field(description="When it happened.")


class EventShown(OneOf):
    """One event of a run."""

    by = "event_type"

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        for kind, payload in PAYLOADS.items():
            fields = {"event_type": (Literal[kind], kind), "payload": (payload, "Its fields.")}
            yield more(_Event, "Shown" + camel(kind), payload.__doc__ or "", **fields)


class AgUiEvent(OneOf):
    """One event of a run in AG-UI's own form."""

    by = "type"

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        for kind, payload in PAYLOADS.items():
            yield more(payload, "AgUi" + camel(kind), payload.__doc__ or "", type=(Literal[kind], kind))
