"""How the jobs dialect shows runs and results. Field names are the wire's (contracts: PraisonAI jobs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ...core.clock import iso
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Failure, Run, Snapshot, Status
from ...journal.results import Result
from ...web.fields import Time
from ...web.forms import Described
from ...web.operations import Answer
from . import questions, worktrees
from .questions import OpenQuestion, QuestionShown
from .worktrees import WorktreeShown

RUNS = "/api/v1/runs"
RUN = RUNS + "/{run_id}"

StatusWord = Annotated[Status, BeforeValidator(Status)]
FailureWord = Annotated[Failure, BeforeValidator(Failure)]
"""Words on the wire are text, and so no members of an enumeration yet."""
AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
NOT_FOUND = {404: Answer("No such run.")}
BAD_QUERY = {422: Answer("A query parameter at fault; `errors` names it.")}
GONE = {410: Answer("Its files are gone.")}
WRONG_STATE = {409: Answer("The run's status does not allow it.")}
FOLLOWED = {**NOT_FOUND, **BAD_QUERY, 503: Answer("Too many streams are open.", headers=AGAIN)}


def url_of(run: Run, base: str) -> str:
    """Return a run's URL; `base` is the scheme and host that the client used, or the server's own."""
    return f"{base}{RUNS}/{run.id}"


class Accepted(Described):
    """A run that was taken."""

    job_id: str = Field(description="The run's id.")
    status: StatusWord = Field(description="Usually queued; a repeated submit has what the run is by now.")
    created_at: Time = Field(description="When it was submitted.")
    poll_url: str = Field(description="Where to ask for its status; the same as Location.")
    stream_url: str = Field(description="Where its events are.")
    queue_reason: str = Field("", description="Why it has to wait, for people; not there if it starts now.")
    warnings: list[str] = Field([], description="Fields that mean nothing here, if there are any.")


def accepted(shown: Snapshot, base: str, warnings: list[str]) -> dict[str, Json]:
    """Return the body of a 202."""
    url = url_of(shown.run, base)
    return {
        "job_id": shown.run.id,
        "status": shown.visible_status.value,
        "created_at": iso(shown.run.created_at),
        "poll_url": url,
        "stream_url": f"{url}/stream",
        **({"queue_reason": shown.waits} if shown.waits else {}),
        **({"warnings": warnings} if warnings else {}),
    }


class ProgressShown(Described):
    """How far a run says it is."""

    percentage: float = Field(description="From 0 to 100; 100 for a run that succeeded and never said.")
    current_step: str | None = Field(description="What it does now.")
    steps_completed: int = Field(description="Steps that are done.")
    steps_total: int | None = Field(description="Steps that there are, if it says so.")


class JobStatus(Described):
    """A run as a poll shows it. Every key is always present."""

    job_id: str = Field(description="The run's id.")
    status: StatusWord = Field(description="queued also while its process is being started.")
    phase: Literal["installing", "running", "waiting"] | None = Field(
        description="What a running run does; waiting: its agent asks something. Null for other runs."
    )
    title: str = Field(description="The first line of the prompt, at most 120 characters.")
    progress: ProgressShown = Field(description="How far the latest attempt says it is.")
    created_at: Time = Field(description="When it was submitted.")
    started_at: Time | None = Field(description="When its first attempt started.")
    completed_at: Time | None = Field(description="When it finished.")
    due_at: Time | None = Field(description="Until when it waits before its next attempt.")
    queue_reason: str | None = Field(description="Why it waits, for people; null unless it is queued.")
    agent_id: str | None = Field(description="The same as agent.")
    run_id: str | None = Field(description="The same as job_id.")
    session_id: str | None = Field(description="The session that it belongs to.")
    error: str | None = Field(description="Why it failed or was cancelled; null until it has finished.")
    error_tail: str | None = Field(description="The last lines that the agent of a failed run wrote.")
    retry_after: int | None = Field(description="Seconds until it is worth asking again; null when finished.")
    agent: str = Field(description="The entry of agents.yaml that runs it.")
    cwd: str | None = Field(description="The directory that the submit named; null for the entry's own.")
    worktree: WorktreeShown | None = Field(description="Its own git worktree; null if it has none.")
    exit_code: int | None = Field(description="The agent's; null until it has finished, or if it had none.")
    signal: int | None = Field(description="The signal that killed the agent; its exit_code is null then.")
    timeout: float | None = Field(description="Seconds that an attempt may take; null for no limit.")
    attempt: int = Field(description="Attempts so far.")
    failure: FailureWord | None = Field(description="The kind of failure of a failed run.")
    usage: dict[str, float] | None = Field(description="What the agent says it used: tokens, cost.")
    metadata: dict[str, Json] | None = Field(description="As it was submitted.")
    retry_of: str | None = Field(description="The run that this one repeats.")
    parent: str | None = Field(description="The run on whose behalf it was submitted.")
    root: str = Field(description="The top of its tree; its own id if it has no parent.")
    questions: list[OpenQuestion] = Field(description="What it asks now, the first 200 characters of each.")


class Job(JobStatus):
    """A single run: its status, its prompt, and its place in the queue."""

    queue_position: int | None = Field(
        description="Its place among the queued runs of its agent, from 1 on; null unless it may start."
    )
    prompt: str = Field(description="What the agent was asked, whole.")
    questions: list[QuestionShown] = Field(  # type: ignore[assignment]
        description="What it asks, whole, and the latest 32 of its other questions; the oldest first."
    )


class JobList(Described):
    """A page of runs, newest first."""

    jobs: list[JobStatus] = Field(description="The runs of this page.")
    total: int = Field(description="How many there are on all pages.")
    page: int = Field(description="The page that was asked for, from 1 on.")
    page_size: int = Field(description="The most runs of a page.")


def progress_shown(progress: Mapping[str, Json], default: float = 0.0) -> dict[str, Json]:
    """Return how far a run is; `default` is the percentage of one that did not say."""
    return {
        "percentage": progress.get("percentage", default),
        "current_step": progress.get("step"),
        "steps_completed": progress.get("steps_completed", 0),
        "steps_total": progress.get("steps_total"),
    }


def status(shown: Snapshot) -> dict[str, Json]:
    """Return the status object."""
    run, visible = shown.run, shown.visible_status
    final = run.status in FINAL
    return {
        "job_id": run.id,
        "status": visible.value,
        "phase": _phase(shown),
        "title": run.title,
        "progress": progress_shown(shown.progress, 100.0 if run.status is Status.SUCCEEDED else 0.0),
        "created_at": iso(run.created_at),
        "started_at": None if visible is Status.QUEUED else iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "due_at": iso(run.due_at) if run.due_at and run.status is Status.QUEUED else None,
        "queue_reason": (shown.waits or "starting") if visible is Status.QUEUED else None,
        "agent_id": run.agent,
        "run_id": run.id,
        "session_id": run.session_id,
        "error": run.error if final else None,
        "error_tail": run.error_tail if final else None,
        "retry_after": None if final else 1,
        "agent": run.agent,
        "cwd": run.cwd,
        "worktree": worktrees.shown(shown),
        "exit_code": run.exit_code if final else None,
        "signal": run.signal if final else None,
        "timeout": run.timeout,
        "attempt": run.attempt,
        "failure": run.failure,
        "usage": dict(shown.usage) or None,
        "metadata": run.metadata,
        "retry_of": run.origin,
        "parent": run.parent,
        "root": run.root or run.id,
        "questions": questions.in_short(shown),
    }


def _phase(shown: Snapshot) -> str | None:
    if shown.visible_status is not Status.RUNNING:
        return None
    return "waiting" if shown.open_questions else str(shown.phase)


def job(shown: Snapshot) -> dict[str, Json]:
    """Return the status object of a single run, which has its prompt, its place and all its questions."""
    asked = [questions.whole(each) for each in shown.questions]
    alone = {"queue_position": shown.position, "prompt": shown.run.prompt, "questions": asked}
    return {**status(shown), **alone}


class JobResult(Described):
    """What a finished run answered and used."""

    job_id: str = Field(description="The run's id.")
    status: StatusWord = Field(description="succeeded, failed or cancelled.")
    result: Json = Field(description="The answer: JSON that the agent wrote, or the text that it printed.")
    result_url: str | None = Field(description="Where all of a text over 1 MiB is; null if result is whole.")
    metrics: dict[str, Json] | None = Field(description="Seconds, memory, bytes; tokens and cost as usage.")
    created_at: Time = Field(description="When it was submitted.")
    started_at: Time | None = Field(description="When its first attempt started.")
    completed_at: Time | None = Field(description="When it finished.")
    duration_seconds: float | None = Field(description="What the latest attempt took.")
    error: str | None = Field(description="Why it failed or was cancelled.")
    error_tail: str | None = Field(description="The last lines that the agent of a failed run wrote.")


def result(shown: Snapshot, answer: Result, base: str) -> dict[str, Json]:
    """Return the result object of a final run."""
    run = shown.run
    return {
        "job_id": run.id,
        "status": run.status.value,
        "result": answer.value,
        "result_url": result_url(run, answer, base),
        "metrics": {**(run.metrics or {}), **({"usage": shown.usage} if shown.usage else {})},
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "duration_seconds": None if run.duration is None else round(run.duration / 1e6, 6),
        "error": run.error or answer.error,
        "error_tail": run.error_tail,
    }


def result_url(run: Run, answer: Result, base: str) -> str | None:
    """Return the URL of the whole answer; None if `result` is whole."""
    return None if answer.complete else f"{url_of(run, base)}/logs?stream=stdout"
