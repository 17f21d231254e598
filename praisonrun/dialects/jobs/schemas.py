"""The jobs dialect's answers, as its OpenAPI document describes them. Field names are the wire's."""

from __future__ import annotations

from typing import Literal

from ...core.json import Json
from ...web.fields import WireModel


class Accepted(WireModel):
    """A run that was taken."""

    job_id: str
    status: str
    created_at: str
    poll_url: str
    stream_url: str


class ProgressShown(WireModel):
    """How far a run says it is."""

    percentage: float
    current_step: str | None
    steps_completed: int
    steps_total: int | None


class JobStatus(WireModel):
    """A run as a poll shows it. Every key is always present."""

    job_id: str
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: ProgressShown
    created_at: str
    started_at: str | None
    completed_at: str | None
    agent_id: str | None
    run_id: str | None
    session_id: str | None
    error: str | None
    retry_after: int | None
    agent: str
    exit_code: int | None
    timeout: float | None
    attempt: int
    failure: str | None
    metadata: dict[str, Json] | None
    retry_of: str | None
    parent: str | None
    root: str


class JobResult(WireModel):
    """What a final run answered and used."""

    job_id: str
    status: Literal["succeeded", "failed", "cancelled"]
    result: Json
    result_url: str | None
    metrics: dict[str, Json] | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    error: str | None


class JobList(WireModel):
    """A page of runs, newest first."""

    jobs: list[JobStatus]
    total: int
    page: int
    page_size: int


class EventPage(WireModel):
    """Some events, the cursor after them, and whether more can come."""

    events: list[dict[str, Json]]
    next: int
    done: bool


class ArtifactShown(WireModel):
    """One file that a run left."""

    path: str
    size: int
    content_type: str
    url: str


class ArtifactList(WireModel):
    """The files that a run left, by path."""

    artifacts: list[ArtifactShown]
