"""A run, how its attempts ended, and how it is now. Data only; decisions are in `lifecycle`.

Times are integers, microseconds since the epoch (UTC); durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .delivery import Reach
from .json import Json as Json
from .question import Question, QuestionState


class Status(StrEnum):
    """What a run is doing, or how it ended."""

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
    STARTING = "starting"
    INSTALLING = "installing"
    RUNNING = "running"


class Mode(StrEnum):
    """Whether an agent is expected to end."""

    RUN = "run"
    SERVICE = "service"


class Run(NamedTuple):
    """One durable execution of an agent. A tuple: it is made ten times as fast as a frozen dataclass."""

    id: str
    agent: str
    version: str
    created_at: int
    updated_at: int
    due_at: int
    """Not claimed before this time; 0 but for a pause before the next attempt."""
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
    conversation: str | None = None
    """Which conversation of its agent's own it continues; see `conversation.key_of`. None: none."""
    priority: int = 0
    timeout: float | None = None
    retries: int = 0
    backoff: float = 1.0
    attempt: int = 0
    """Attempts claimed so far."""
    uncounted: int = 0
    """How often in a row the agent of its latest attempt could not be started; these are no attempts."""
    not_started_since: int | None = None
    """When that was so first."""
    started_at: int | None = None
    finished_at: int | None = None
    ready_at: int | None = None
    """When a service was first ready in its latest attempt."""
    cancel_requested_at: int | None = None
    cancel_reason: str | None = None
    failure: Failure | None = None
    error: str | None = None
    error_tail: str | None = None
    """The last lines that the agent of a failed attempt wrote, plain and short."""
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    boot: str | None = None
    """The boot id under which the run was claimed."""
    claim: str | None = None
    """16 hex digits, new at each claim: its processes are known by them. None before schema 2."""
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
    asks_read: int | None = None
    """How far its journal was read for questions; None before the first one."""
    journal_end: int | None = None
    """Length of the journal when the latest attempt ended, or the run without one."""
    summary: Mapping[str, Json] | None = None
    """What the run came to: progress and usage (see `journal.summary`), `outputs`, its manifest, and
    `worktree`, what became of that (see `worktrees.keeping`). Of a run that is tried again, its usage."""
    metrics: Mapping[str, Json] | None = None
    tokens_in: int | None = None
    """What all its attempts that ended used, as far as their agent told; see `usage.Used`."""
    tokens_out: int | None = None
    cost_microusd: int | None = None
    cwd: str | None = None
    """The directory that the submit named for its agent, without links; None leaves it to the entry."""
    worktree_base: str | None = None
    """The commit at which the run's own git worktree begins; None for a run that has none."""
    title: str = ""
    """The prompt's first line, short and plain; given by the store."""
    prompt: str = ""
    """Empty where the store was asked for runs without their input."""
    input: str | None = None
    """JSON text for the input file; None stands for {"prompt": prompt}."""

    @property
    def duration(self) -> int | None:
        """Microseconds that the latest attempt took by a steady clock; where its journal does not tell,
        those from the first start to the end. None before the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        wall = (self.metrics or {}).get("wall_seconds")
        if isinstance(wall, int | float) and wall > 0:
            return round(wall * 1e6)
        return max(0, self.finished_at - self.started_at)


class Condition(StrEnum):
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
    worktree: str | None = None
    """The checkout that a live run works in, where that is its own."""
    waits: str = ""
    """Why a queued run is not claimed; "" if it is about to be."""
    position: int | None = None
    """Of a single queued run that may start: its place among those of its agent, from 1 on."""
    questions: Sequence[Question] = ()
    """What its agent asks: the open ones alone, unless all were wanted."""

    @property
    def open_questions(self) -> list[Question]:
        """What a person may answer now, the oldest first."""
        return [each for each in self.questions if each.state is QuestionState.OPEN]

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
    """exited, cancelled, timed_out, idle_timed_out, spawn_failed, install_failed, lost; not_started for what
    kept the agent from its start and may pass; the server's own is env_lost."""
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


class Verdict(NamedTuple):
    """What an attempt's agent says of its own end."""

    ended: bool = False
    """Whether it gave a result event."""
    error: str | None = None
    """Why it says that it failed."""
    certain: bool = False
    """Whether it says that it succeeded: its exit code then says no more."""
    answered: bool = False
    """Whether it said anything that may be the answer."""
    trouble: str = ""
    """What it said of its last try to reach its model, if no answer came since."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt's end means, once judged."""

    status: Status
    failure: Failure | None = None
    error: str | None = None
