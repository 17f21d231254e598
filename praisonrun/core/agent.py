"""An agent: what can be run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from .errors import Unreadable
from .json import Json, canonical_json
from .model import Mode


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
class Truth:
    """What tells how an agent ended, beside its format and its exit code."""

    answer: bool = False
    """Whether it owes an answer: an end without any is a failure."""
    banner: str = ""
    """A pattern. A line of plain output that has it is no part of the answer."""
    failure: str = ""
    """A pattern. A line of plain output that has it says that the agent failed."""
    waiting: tuple[str, ...] = ()
    """A line of output that has one of these texts says that the agent still waits: it is idle."""

    @property
    def asks_output(self) -> bool:
        """Whether plain output has to be read for it."""
        return bool(self.answer or self.failure)


@dataclass(frozen=True, slots=True)
class Session:
    """How an agent is told which of its own conversations to continue: arguments for `{session}`."""

    first: tuple[str, ...] = ()
    """In the first run of one. With {session_uuid} we choose what the agent calls it; else it tells."""
    later: tuple[str, ...] = ()
    """In a run that continues one, which {agent_session} names. Empty: `first` continues one, too."""
    unknown: str = ""
    """A pattern. An agent that fails with it does not know the conversation, or has another of its name."""


@dataclass(frozen=True)
class Agent:
    """One entry of an agents.yaml."""

    name: str
    file: str
    """Absolute path of the file that holds the entry; empty for the built-in."""
    command: tuple[str, ...] = ()
    crew: Crew | None = None
    mode: Mode = Mode.RUN
    prompt: str = "stdin"
    cwd: str = ""
    caller: bool = False
    """Whether a submit may name another directory than `cwd`."""
    worktree: bool = False
    """Whether each run works in a git worktree of its own, of the repository that its directory is in."""
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
    use: str = ""
    """The recipe that filled the entry, if one did."""
    approve: str = ""
    """What it may do unasked, in the recipe's words: edits, ask or all."""
    truth: Truth = Truth()
    line: int = field(default=0, compare=False)
    """Where its entry begins in that file, from 1; 0 if nowhere. No part of the definition."""
    session: Session | None = None
    """Of an agent whose runs of one session continue one conversation of its own, one after the other."""

    def definition(self) -> dict[str, Json]:
        """Return the entry as JSON, with env names in place of env values."""
        fields = {**asdict(self), "env": sorted(self.env)}
        del fields["line"]
        for key in _LATER:
            if getattr(self, key) == getattr(Agent, key):
                del fields[key]
        return fields

    @cached_property
    def version(self) -> str:
        """The digest of the entry as it stands: 64 hex digits."""
        return _digest(self.definition())

    @classmethod
    def from_definition(cls, stored: Mapping[str, Json], env: Mapping[str, str]) -> Agent:
        """Return the agent that `definition` gave, with `env` as its literal values. Raises Unreadable."""
        values = dict(stored)
        try:
            for key in ("command", "env_pass", "env_required", "install", "outputs"):
                values[key] = tuple(values[key])
            values["crew"] = Crew(**values["crew"]) if values["crew"] else None
            values["mode"] = Mode(values["mode"])
            values["readiness"] = Readiness(**values["readiness"])
            values["retain"] = Retain(**values["retain"])
            if "truth" in values:
                truth = values["truth"]
                values["truth"] = Truth(**{**truth, "waiting": tuple(truth["waiting"])})
            if "session" in values:
                said = values["session"]
                values["session"] = Session(tuple(said["first"]), tuple(said["later"]), said["unknown"])
            values["env"] = {name: env[name] for name in values["env"] if name in env}
            return cls(**values)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise Unreadable(_digest(stored), stored.get("name"), error) from None


_LATER = ("caller", "worktree", "use", "approve", "truth", "session")
"""Fields that a definition has only where they are not the default: versions of before have none."""


def _digest(definition: Mapping[str, Json]) -> str:
    return hashlib.sha256(canonical_json(definition).encode()).hexdigest()
