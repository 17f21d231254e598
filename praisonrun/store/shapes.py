"""What the store is asked and answers with, besides Run and Delivery."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..model import Json, Mode, Run, Status


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key within its scope (who may reuse it, and for which route)."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Added:
    """The run that a submit came to: a new one, or the one that its key already named."""

    run: Run
    """As given, with its seq; a replayed one is without prompt and input."""
    replayed: bool


@dataclass(frozen=True, slots=True)
class Find:
    """Which runs, newest first. None does not filter."""

    status: Collection[Status] | None = None
    session_id: str | None = None
    agent: str | None = None
    mode: Mode | None = Mode.RUN
    page: int = 1
    """From 1. Deep pages are served, but only `after_seq` is fast at any depth."""
    page_size: int = 20
    after_seq: int | None = None
    """The seq of the last run seen: only older ones follow. `page` then counts from there."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, without prompt and input, and how many there are in all."""

    runs: list[Run]
    total: int


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """An agent's entry as runs met it."""

    digest: str
    agent: str
    number: int
    """1, 2, ... for each agent."""
    definition: Mapping[str, Json]
    seen_at: int


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A webhook owed, and how far it got."""

    id: str
    run_id: str
    url: str
    type: str
    state: str
    """pending, delivered or dead."""
    attempts: int
    due_at: int
    created_at: int
    last_status: int | None
    last_error: str | None
    delivered_at: int | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """The store's files and versions, for /health."""

    db_bytes: int
    wal_bytes: int
    schema: int
    sqlite: str
