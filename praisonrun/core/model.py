"""The frozen nouns: Run, Agent, Exit, Outcome, Delivery. Data only; decisions are in `lifecycle`, and
those about deliveries in `webhooks.schedule`.

Times are integers, microseconds since the epoch (UTC); durations are seconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from .errors import Unreadable
from .json import Json as Json
from .json import canonical_json


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
    INSTALL_FAILED = "install_failed"
    READINESS_FAILED = "readiness_failed"
    """A service missed its readiness deadline, or ended before it was ready."""
    EXITED = "exited"
    """A service that had been ready ended unasked, whatever its exit code."""
    LOST = "lost"
    """The shim was killed, or the machine restarted, while the agent ran."""


class Phase(StrEnum):
    """What a running run is doing."""

    STARTING = "starting"
    INSTALLING = "installing"
    RUNNING = "running"


class Reach(StrEnum):
    """How far away a caller or a receiver is, the nearest first; see `webhooks.policy`."""

    LOOPBACK = "loopback"
    """On this machine."""
    PRIVATE = "private"
    """On a network of its own: a home, an office, a VPN."""
    PUBLIC = "public"


class DeliveryState(StrEnum):
    """How a webhook owed stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up; it can be replayed."""


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


@dataclass(frozen=True)
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

    @cached_property
    def version(self) -> str:
        """The digest of the entry as it stands: 64 hex digits."""
        return hashlib.sha256(canonical_json(self.definition()).encode()).hexdigest()

    @classmethod
    def from_definition(cls, stored: Mapping[str, Json], env: Mapping[str, str]) -> Agent:
        """Return the agent that `definition` gave, with `env` as its literal values.

        Raises Unreadable for a definition that this version of praisonrun does not understand.
        """
        try:
            return cls._of_values(dict(stored), env)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            digest = hashlib.sha256(canonical_json(dict(stored)).encode()).hexdigest()
            raise unreadable(digest, stored.get("name"), error) from None

    @classmethod
    def _of_values(cls, values: dict[str, Json], env: Mapping[str, str]) -> Agent:
        for key in ("command", "env_pass", "env_required", "install", "outputs"):
            values[key] = tuple(values[key])
        values["crew"] = Crew(**values["crew"]) if values["crew"] else None
        values["mode"] = Mode(values["mode"])
        values["readiness"] = Readiness(**values["readiness"])
        values["retain"] = Retain(**values["retain"])
        values["env"] = {name: env[name] for name in values["env"] if name in env}
        return cls(**values)


def unreadable(digest: str, agent: Json, error: Exception) -> Unreadable:
    """Return the error for a stored version of an agent that cannot be read."""
    return Unreadable(
        f"version {digest[:12]} of agent {agent!r} cannot be read: it is damaged, or was stored by another "
        f"version of praisonrun ({type(error).__name__}: {error})"
    )


class Run(NamedTuple):
    """One durable execution of an agent.

    A tuple, changed with `_replace`: a frozen dataclass of fifty fields takes ten times as long to make,
    and several are made for every run.
    """

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
    input_env: str | None = None
    """The name of an environment variable that holds the input too, while it fits one."""
    result_env: str | None = None
    """The name of an environment variable that holds PRAISONRUN_RESULT_PATH too."""
    key: str | None = None
    """The idempotency key of the submit; given by the store."""
    port: int | None = None
    """A service's; no other service that is not final has it."""
    session_id: str | None = None
    priority: int = 0
    timeout: float | None = None
    retries: int = 0
    backoff: float = 1.0
    attempt: int = 0
    """Attempts claimed so far."""
    started_at: int | None = None
    finished_at: int | None = None
    ready_at: int | None = None
    """When a service was first ready in its latest attempt."""
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
    webhook_reach: Reach = Reach.PUBLIC
    """How far away the caller was who named webhook_url: its receiver may be no nearer."""
    origin: str | None = None
    """The run that this one repeats."""
    parent: str | None = None
    """The run on whose behalf this one was submitted: whoever cancels that one cancels this."""
    root: str | None = None
    """The top of the run's tree, its own id if it is the top itself; None while it has no relatives."""
    held: bool = False
    """Queued, but not claimed before it is released."""
    owner: str | None = None
    """Whose run it is, in the words of who submitted it; lists can ask for it."""
    labels: Mapping[str, Json] | None = None
    """What else the submit's dialect wants to see again."""
    retention_seconds: int | None = None
    retain_on_failure: bool | None = None
    """Whether the scratch directory of this run, if it fails, is kept; None leaves it to the agent."""
    scratch_until: int | None = None
    """Until when the scratch directory of a final run is kept; None when it is gone."""
    journal_end: int | None = None
    """Length of the journal when the latest attempt ended, or the run without one."""
    summary: Mapping[str, Json] | None = None
    """What the run came to: progress and usage (see `formats.Summary`), and `outputs`, its manifest."""
    metrics: Mapping[str, Json] | None = None
    prompt: str = ""
    """Empty where the store was asked for runs without their input."""
    input: str | None = None
    """JSON text for the input file; None stands for {"prompt": prompt}."""

    @property
    def duration(self) -> int | None:
        """Microseconds from the first attempt's start to the run's end; None before the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


class Condition(StrEnum):
    """How a live service is."""

    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """The condition of a live service, and what the looks at it found since this server watches it."""

    condition: Condition = Condition.STARTING
    ok: bool = False
    """Whether the last look found it well."""
    attempts: int = 0
    failures: int = 0
    """How many looks in a row found it not well."""
    status_code: int | None = None
    error: str | None = None
    checked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it is now: its row, and what only the live process or its journal can tell."""

    run: Run
    phase: Phase | None = None
    """What a running run is doing; None otherwise."""
    pid: int | None = None
    progress: Mapping[str, Json] = field(default_factory=dict)
    usage: Mapping[str, Json] = field(default_factory=dict)
    scratch: bool = False
    """Whether it has a scratch directory now."""
    health: ServiceHealth | None = None
    """Of a live service."""

    @property
    def visible_status(self) -> Status:
        """The run's status as clients see it: queued until the process of its attempt has started."""
        starting = self.run.status is Status.RUNNING and self.phase is Phase.STARTING
        return Status.QUEUED if starting else self.run.status


@dataclass(frozen=True, slots=True)
class Exit:
    """How an attempt's process ended: the payload of the journal's ENDED frame."""

    attempt: int
    reason: str
    """exited, cancelled, timed_out, idle_timed_out, spawn_failed, install_failed; the server's own are lost
    and env_lost."""
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
    installed: bool = False
    """Whether the attempt ran the agent's install command, and well."""
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
    """The `webhook-id`: the same on every attempt."""
    run_id: str
    url: str
    type: str
    """run.succeeded, run.failed or run.cancelled."""
    created_at: int
    due_at: int
    """Not attempted before this time."""
    reach: Reach = Reach.PUBLIC
    """How far away the caller was who named the url."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """Attempts since it was owed, or last replayed."""
    delivered_at: int | None = None

    @property
    def receiver(self) -> str:
        """Return what shares the slots of one receiver: `host:port` as the url has it, in lower case."""
        return _AUTHORITY.sub(r"\1", self.url).lower()


_AUTHORITY = re.compile(r"^(?:[^:/?#]*://)?([^/?#]*).*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """What one attempt at a delivery came to."""

    at: int
    duration: float
    status: int | None = None
    """The receiver's HTTP status; None when there was none."""
    error: str | None = None
    """Why it failed, in words; None for a success."""
    text: str | None = None
    """How the answer's body begins, for callers of this machine only."""
    retry_after: float | None = None
    """Seconds that the receiver wants to be left alone."""
