"""The events of a run, as the OpenAPI document of the jobs dialect describes them: a form for each kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import Field

from ...core.json import Json
from ...web.fields import Time
from ...web.forms import Described, OneOf, more
from .show import FailureWord


class StatusData(Described):
    """The run is queued or running."""

    status: Literal["queued", "running"] = Field(description="What it is; running comes with each attempt.")
    job_id: str = Field(description="The run's id.")
    attempt: int = Field(0, description="Of running: which attempt it is.")
    phase: Literal["installing"] = Field("installing", description="There while its `install` is executed.")


class AttemptData(Described):
    """A process of the run started or ended."""

    state: Literal["start", "end"] = Field(description="Which of the two.")
    attempt: int = Field(description="1, 2, …")
    pid: int = Field(0, description="Of a start: the process.")
    exit_code: int | None = Field(None, description="Of an end: its exit code, if it had one.")
    signal: int | None = Field(None, description="Of an end: the signal that ended it, if one did.")
    reason: str = Field("", description="Of an end: exited, timed_out, cancelled, …")
    wall_seconds: float | None = Field(None, description="Of an end: how long it took.")


class _Progress(Described):
    percentage: float = Field(description="From 0 to 100; 0 if it does not say.")
    steps_completed: int = Field(0, description="Steps that are done, if it says so.")
    steps_total: int = Field(0, description="Steps that there are, if it says so.")
    message: str = Field("", description="What it says of it, if it does.")
    retry: Literal[True] = Field(True, description="There while it tries to reach its model again.")


class ProgressData(_Progress):
    """How far the agent says it is."""

    step: str | None = Field(description="What it does now.")


class StreamProgressData(_Progress):
    """How far the agent says it is, as PraisonAI's clients read it."""

    current_step: str = Field(description="What it does now, or its message; empty if it says neither.")


class LogData(Described):
    """Something was printed."""

    stream: Literal["stdout", "stderr", "praisonrun"] = Field(description="Who says it.")
    text: str = Field(description="What was printed, with its newlines.")
    message: str = Field(description="The same without the newline at its end.")


class MessageData(Described):
    """The agent said something."""

    text: str = Field(description="What it said.")
    delta: Literal[True] = Field(True, description="There for a piece of a message.")
    repeats: Literal[True] = Field(True, description="There for a message whose pieces came before.")


class ToolCallData(Described):
    """The agent called a tool, or had its output. The fields are those that it gave."""

    name: Json = Field(None, description="The tool.")
    input: Json = Field(None, description="What the tool was given.")
    id: Json = Field(None, description="The same for the input and the output of a call.")
    output: Json = Field(None, description="What the tool gave back.")
    status: Json = Field(None, description="How the call went.")


class AskData(Described):
    """The agent asks something. Whether it was answered is in the run, and not among its events."""

    id: str = Field(description="Which of its run's questions it is.")
    question: str = Field(description="What it asks.")
    options: list[str] = Field(description="What may be answered; empty: any text.")
    default: str | None = Field(description="The answer if nobody gives one in time; null: it is denied.")
    timeout: float = Field(description="Seconds for which it can be answered.")
    kind: Literal["question", "permission"] = Field(description="permission: whether it may do something.")


class SessionData(Described):
    """The agent's conversation has a name, or is a new one in place of one that the agent lost."""

    id: str = Field("", description="What the agent calls it. Missing if this says that it began anew.")
    started_anew: Literal[True] = Field(True, description="There if the agent did not know it any more.")


class ResultData(Described):
    """The run succeeded."""

    result: Json = Field(description="Its answer: JSON, or text of at most 1 MiB.")
    result_url: str | None = Field(description="Where all of a longer text is; null if result is whole.")


class CancelledData(Described):
    """The run was cancelled."""

    message: str | None = Field(description="Why.")


class ErrorData(Described):
    """The run failed."""

    error: str | None = Field(description="Why, in words.")
    failure: FailureWord | None = Field(description="The kind of failure.")
    exit_code: int | None = Field(description="The agent's exit code, if it had one.")


class CompleteData(Described):
    """The run has finished, and this is its last event."""

    status: Literal["succeeded", "failed", "cancelled"] = Field(description="How it ended.")
    job_id: str = Field(description="The run's id.")


class _Sent(Described):
    ts: Time = Field(description="When it happened.")


class _Numbered(_Sent):
    id: int = Field(description="A cursor: greater than the ids of all events before it.")


class _Own(_Numbered):
    run_id: str = Field(description="The run's id.")
    cursor: str = Field(description="Where the stream continues after this event.")


_DATA: dict[str, type[Described]] = {
    "status": StatusData,
    "attempt": AttemptData,
    "progress": ProgressData,
    "log": LogData,
    "message": MessageData,
    "tool_call": ToolCallData,
    "ask": AskData,
    "session": SessionData,
    "result": ResultData,
    "cancelled": CancelledData,
    "error": ErrorData,
    "complete": CompleteData,
}


class _AnyKind(OneOf):
    by = "event"
    base: ClassVar[type[Described]]
    """What all kinds have."""
    data: ClassVar = _DATA

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        kinds: dict[str, tuple[Any, str]] = {
            kind: (data, data.__doc__ or "") for kind, data in cls.data.items()
        }
        used = "What the agent says that it used; with `delta`, since it said so last."
        kinds["usage"] = (dict[str, float | Literal[True]], used)
        for kind, (data, said) in kinds.items():
            form = cls.__name__ + kind.title().replace("_", "")
            yield more(cls.base, form, said, event=(Literal[kind], kind), data=(data, "Its fields."))


class JobEvent(_AnyKind):
    """One event of a run."""

    base = _Numbered


class StreamEvent(_AnyKind):
    """The data of one Server-Sent Event of a run. The fields in `data` stand beside it, too."""

    base = _Sent
    data = _DATA | {"progress": StreamProgressData}


class OwnEvent(_AnyKind):
    """An event of a run that the request names."""

    base = _Own


class EventPage(Described):
    """Some events, the cursor after them, and whether more can come."""

    events: list[JobEvent] = Field(description="The events of this page.")
    next: int = Field(description="The cursor after them: `after` of the next page.")
    done: bool = Field(description="Whether the last event of a finished run is among them, or before.")
