"""The frozen nouns: Run, Agent, Exit, Outcome, Delivery. Data only; every decision is in `lifecycle`.

Times are integers, microseconds since the epoch (UTC); durations are seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""Whatever `json.loads` may give."""


class Status(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Failure(StrEnum):
    """Why a failed run failed."""

    EXIT_NONZERO = "exit_nonzero"
    TIMED_OUT = "timed_out"
    IDLE_TIMED_OUT = "idle_timed_out"
    SPAWN_FAILED = "spawn_failed"
    AGENT_ERROR = "agent_error"
    """The agent's own result event says that it failed."""
    NO_RESULT = "no_result"
    """A structured agent ended without its result event."""
    ENV_LOST = "env_lost"
    """A restart came between submit and spawn, and the envs of the submit were never stored."""
    LOST = "lost"
    """The shim was killed, or the machine restarted, while the agent ran."""


class Phase(StrEnum):
    """What a running run is doing."""

    STARTING = "starting"
    INSTALLING = "installing"
    RUNNING = "running"


class Mode(StrEnum):
    """Whether an agent is expected to end."""

    RUN = "run"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Retain:
    """Whether, and for how many seconds, a failed run's scratch directory is kept."""

    on_failure: bool = False
    seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Readiness:
    """How to see that a service is ready: `http`, `tcp` or `timeout`."""

    type: str = "tcp"
    path: str = "/"
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Crew:
    """A file that a framework executes as a whole."""

    framework: str
    source_sha256: str
    topic: str | None = None
    python: str | None = None
    """An interpreter that has the framework, when the file names one."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What can be run: one entry of an agents.yaml."""

    name: str
    file: str
    """Absolute path of the file that holds the entry; empty for the built-in."""
    command: tuple[str, ...] = ()
    crew: Crew | None = None
    mode: Mode = Mode.RUN
    prompt: str = "stdin"
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Literal values. They are taken from the current file at spawn, never stored or hashed."""
    env_pass: tuple[str, ...] = ()
    env_required: tuple[str, ...] = ()
    timeout: float | None = 3600.0
    idle_timeout: float | None = None
    grace: float = 5.0
    retries: int = 0
    backoff: float = 1.0
    concurrency: int | None = None
    priority: int = 0
    format: str = "text"
    files: bool = True
    """Whether a run has the events FIFO, input and result files, artifacts/ and scratch/."""
    install: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    description: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    port: int | None = None
    """A service's port; 0 asks for a free one."""
    readiness: Readiness = Readiness()
    public_url: bool = True
    retain: Retain = Retain()

    def definition(self) -> dict[str, Json]:
        """Return the entry as JSON, with env names in place of env values."""
        return {**asdict(self), "env": sorted(self.env)}

    @property
    def version(self) -> str:
        """The digest of the entry as it stands: 64 hex digits."""
        return hashlib.sha256(canonical(self.definition()).encode()).hexdigest()

    @classmethod
    def from_definition(cls, stored: Mapping[str, Json], env: Mapping[str, str]) -> Agent:
        """Return the agent that `definition` gave, with `env` as its literal values."""
        values = dict(stored)
        for key in ("command", "env_pass", "env_required", "install", "outputs"):
            values[key] = tuple(values[key])
        values["crew"] = Crew(**values["crew"]) if values["crew"] else None
        values["mode"] = Mode(values["mode"])
        values["readiness"] = Readiness(**values["readiness"])
        values["retain"] = Retain(**values["retain"])
        values["env"] = {name: env[name] for name in values["env"] if name in env}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Run:
    """One durable execution of an agent."""

    id: str
    agent: str
    version: str
    created_at: int
    updated_at: int
    due_at: int
    """Not claimed before this time."""
    status: Status = Status.QUEUED
    mode: Mode = Mode.RUN
    seq: int = 0
    """Order of submission, given by the store."""
    prompt: str = ""
    """Empty where the store was asked for runs without their input."""
    input: str | None = None
    """JSON text for the input file; None stands for {"prompt": prompt}."""
    session_id: str | None = None
    priority: int = 0
    timeout: float | None = None
    retries: int = 0
    backoff: float = 1.0
    attempt: int = 0
    """Attempts claimed so far."""
    started_at: int | None = None
    finished_at: int | None = None
    cancel_requested_at: int | None = None
    cancel_reason: str | None = None
    failure: Failure | None = None
    error: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    boot: str | None = None
    """The boot id under which the run was claimed."""
    env_names: tuple[str, ...] = ()
    """Names of the envs given at submit. Their values are never stored."""
    metadata: Mapping[str, Json] | None = None
    webhook_url: str | None = None
    origin: str | None = None
    """The run that this one repeats."""
    retention_seconds: int | None = None
    journal_end: int | None = None
    """Length of the journal when the run became final."""
    summary: Mapping[str, Json] | None = None
    """What the output format made of the journal: progress, usage; see `formats.Summary`."""
    metrics: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it is now: its row, and what only the live process or its journal can tell."""

    run: Run
    phase: Phase | None = None
    """What a running run is doing; None otherwise."""
    pid: int | None = None
    progress: Mapping[str, Json] = field(default_factory=dict)
    usage: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """How an attempt's process ended: the payload of the journal's ENDED frame."""

    attempt: int
    reason: str
    """exited, cancelled, timed_out, idle_timed_out, spawn_failed; by the server only: lost, env_lost."""
    code: int | None = None
    signal: int | None = None
    error: str | None = None
    pid: int | None = None
    wall: float = 0.0
    cpu: float = 0.0
    max_rss: int = 0
    stdout: int = 0
    """Bytes that the agent wrote, those beyond the cap included."""
    stderr: int = 0
    events: int = 0
    """Event frames in the journal."""
    dropped: int = 0
    """Output bytes that the cap kept out of the journal."""
    swept: int = 0
    """Descendants that had to be killed."""
    result: bool = False
    """Whether a RESULT frame was written."""
    ended_at: int = 0
    end: int = 0
    """Length of the journal after the ENDED frame where its reader knows it; not part of the payload."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt's end means, once judged."""

    status: Status
    failure: Failure | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook owed."""

    id: str
    run_id: str
    url: str
    type: str
    created_at: int
    due_at: int


def deeper(value: Json, levels: int) -> bool:
    """Say whether arrays and objects nest more than `levels` deep."""
    level = [value]
    for _ in range(levels):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Json) -> list[Json]:
    nodes = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in nodes if isinstance(child, dict | list)]


def canonical(value: Json) -> str:
    """Return JSON text that is the same for equal values, whatever their key order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
