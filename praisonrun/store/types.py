"""The store's own argument and result types; the rest are those of `core.model`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from ..core.delivery import Delivery, Reply
from ..core.json import canonical_json
from ..core.model import Failure, Json, Mode, Run, Status

Free: TypeAlias = Callable[[str, int, int | None], bool]
"""Says whether an agent may have one more run live: its name, how many of its runs are claimed beside, and
the `concurrency` of its latest version. It only reads, and is called on the writer's thread."""


Prepare: TypeAlias = Callable[[str], None]
"""Makes a run's journal before its claim commits: a claim without a journal is then one that lost it."""


@dataclass(frozen=True)
class Key:
    """An idempotency key within its scope (who may reuse it, and for which route), and its payload."""

    scope: str
    key: str
    payload: Mapping[str, Json] = field(repr=False)
    """The names of its `envs` count, their values do not. A null field is the same as none."""

    @cached_property
    def fingerprint(self) -> str:
        """What is stored of the payload."""
        return "2:" + _digest({name: value for name, value in self.payload.items() if value is not None})

    def sent_with(self, fingerprint: str) -> bool:
        """Say whether a stored fingerprint is of this payload; schema 1 had no prefix and counted nulls."""
        return fingerprint in (self.fingerprint, self.fingerprint[2:], _digest(self.payload))


def _digest(payload: Mapping[str, Json]) -> str:
    if isinstance(payload.get("envs"), dict):
        payload = {**payload, "envs": sorted(payload["envs"])}
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Added:
    """The result of a submit: a new run, or the run that its key already named."""

    run: Run
    """The run as given, with its seq. A replayed run has no prompt and input."""
    replayed: bool


GIVEN_BYTES = 1024 * 1024
"""Characters of prompts and inputs after which a page of runs ends, before it is full."""


def given(run: Run) -> int:
    """Return how many characters a run was given, as far as they were read."""
    return len(run.prompt) + len(run.input or "")


@dataclass(frozen=True, slots=True)
class Find:
    """A query for runs, newest first. None does not filter."""

    status: Collection[Status] | None = None
    session_id: str | None = None
    agent: str | None = None
    owner: str | None = None
    root: str | None = None
    """The top of a tree: itself, and all that was submitted on its behalf."""
    mode: Mode | None = Mode.RUN
    since: int | None = None
    """Only runs that were submitted at this time or later; microseconds since the epoch."""
    text: str | None = None
    """Only runs whose title or prompt has this text, of the newest 100 000 that the rest leaves. It is not
    for `full` lists."""
    page: int = 1
    """From 1. Deep pages are served, but only `after_seq` is fast at any depth."""
    page_size: int = 20
    after_seq: int | None = None
    """Only runs older than this seq; `page` then counts from there."""
    version: str | None = None
    """Only runs of this version of their agent. It does not change the total."""
    failure: Collection[Failure] | None = None
    """Only runs that failed in one of these ways. It does not change the total."""
    full: bool = False
    """Whether the runs come with prompt and input. Then a page may end early, but is not empty."""
    counted: bool = True
    """Whether the total is wanted."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, and how many there are in all (0 if that was not wanted)."""

    runs: list[Run]
    total: int


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """An agent's entry that runs were submitted with."""

    digest: str
    agent: str
    number: int
    """1, 2, ... for each agent."""
    definition: Mapping[str, Json]
    seen_at: int
    installed_at: int | None = None
    """When the entry's install command first succeeded."""


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """A webhook owed and every attempt at it, oldest first."""

    delivery: Delivery
    attempts: list[Reply]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The store's files and versions, for /health."""

    db_bytes: int
    wal_bytes: int
    schema: int
    sqlite: str
