"""What a dialect asks the engine for, and the run that becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import uuid_utils

from ..core.agent import Agent
from ..core.conversation import key_of
from ..core.delivery import Reach
from ..core.errors import Invalid
from ..core.json import Json, canonical_json
from ..core.model import Mode, Run

METADATA_LIMIT = 64 * 1024
"""Bytes of JSON that a submit's metadata may have: every list repeats it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which agent a request wants: a name, a file of its own, a framework for a crew."""

    name: str | None = None
    file: str | None = None
    framework: str | None = None
    text: str | None = field(default=None, repr=False)
    """An agents file that the request brings along."""
    version: str | None = None
    """Only this version of it: another is a WrongState."""


@dataclass(frozen=True, slots=True)
class Submit:
    """A submit in the engine's words, which every dialect translates into."""

    choice: Choice
    prompt: str
    id: str | None = None
    """The run's own id, [A-Za-z0-9._:-]{1,128}; None has one made."""
    mode: Mode = Mode.RUN
    input: str | None = None
    input_env: str | None = None
    """The name of an environment variable that holds the input, too."""
    cwd: str | None = None
    """The directory for its agent, where the entry leaves that to the caller."""
    session_id: str | None = None
    timeout: float | None = None
    priority: int | None = None
    retries: int | None = None
    envs: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, Json] | None = None
    webhook_url: str | None = None
    webhook_reach: Reach = Reach.PUBLIC
    """How far away the caller is: a dialect that forgets to say so may use public receivers only."""
    retention_seconds: int | None = None
    retain_on_failure: bool | None = None
    parent: str | None = None
    waiter: str | None = None
    """The run whose agent waits for this one, if one does; one that is unknown is no fault."""
    held: bool = False
    """Whether the run waits for its `release`, which brings its prompt and input."""
    owner: str | None = None
    labels: Mapping[str, Json] | None = None
    result_env: str | None = None
    """See Run."""


def new_suffix() -> str:
    """Return 32 characters of [0-9a-f], increasing with time: what all names of one run share."""
    return uuid_utils.uuid7().hex


_CARRIED = (
    "prompt", "input", "input_env", "cwd", "session_id", "metadata", "webhook_url", "webhook_reach",
    "retention_seconds", "retain_on_failure", "owner", "labels", "result_env",
)  # fmt: skip
"""What a run takes over from its submit, and a retry by hand from its origin."""
_DECIDED = ("agent", "version", "priority", "timeout", "retries", "backoff")
"""What the agent's entry has a say in, too: a retry takes over what it came to."""


def first(ask: Submit, agent: Agent, version: str, at: int) -> Run:
    """Return the run that a submit asks for, queued and not stored yet."""
    return _run(
        at,
        ask.envs,
        ask.id,
        agent=agent.name,
        conversation=key_of(agent, ask.session_id, ask.cwd),
        version=version,
        mode=ask.mode,
        priority=agent.priority if ask.priority is None else ask.priority,
        timeout=min((t for t in (ask.timeout, agent.timeout) if t is not None), default=None),
        retries=agent.retries if ask.retries is None else ask.retries,
        backoff=agent.backoff,
        parent=ask.parent,
        held=ask.held,
        **{name: getattr(ask, name) for name in _CARRIED},
    )


def again(origin: Run, agent: Agent, envs: Mapping[str, str], at: int) -> Run:
    """Return a new run that repeats a finished one, by the version `agent` that the origin was run by."""
    fields = {name: getattr(origin, name) for name in _CARRIED + _DECIDED}
    key = key_of(agent, origin.session_id, origin.cwd)
    return _run(at, envs, origin=origin.id, conversation=key, **fields)


def _run(at: int, envs: Mapping[str, str], run_id: str | None = None, **fields: Any) -> Run:
    made, names = run_id or f"run_{new_suffix()}", tuple(sorted(envs))
    return Run(id=made, created_at=at, updated_at=at, due_at=0, env_names=names, **fields)


def check_metadata(metadata: Mapping[str, Json] | None) -> None:
    """Raise Invalid for metadata that is too large."""
    size = len(canonical_json(metadata).encode()) if metadata else 0
    if size > METADATA_LIMIT:
        why = f"metadata of {size} bytes is more than {METADATA_LIMIT}, which every list would repeat"
        raise Invalid(f"{why}: put what the agent needs into the prompt or `config`", field="metadata")
