"""The way in: how what a dialect asks for becomes a run on the disk, or a refusal that leaves no row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import anyio
import uuid_utils

from . import lifecycle
from .agents import Catalog, preflight
from .errors import DiskFull, Invalid, KeyReused, PraisonrunError, WrongState
from .launch import crew_files
from .model import Agent, Json, Mode, Run
from .rundir import RunDir
from .scheduler import Scheduler
from .store import Added, Key, Store
from .supervisor import Supervisor

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which agent, in the words of a request: a name, a file of its own, a framework for a crew."""

    name: str | None = None
    file: str | None = None
    framework: str | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """What a dialect asks for, in the engine's words."""

    choice: Choice
    prompt: str
    input: str | None = None
    session_id: str | None = None
    timeout: float | None = None
    priority: int | None = None
    retries: int | None = None
    envs: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, Json] | None = None
    webhook_url: str | None = None
    retention_seconds: int | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine refuses to go beyond."""

    queue: int
    min_free: int
    """Bytes."""


class Intake:
    """Checks and stores runs, and lets them start."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        rundir: RunDir,
        supervisor: Supervisor,
        scheduler: Scheduler,
        now: Callable[[], int],
        *,
        environ: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._store, self._catalog, self._rundir, self._now = store, catalog, rundir, now
        self._supervisor, self._scheduler = supervisor, scheduler
        self._environ, self.limits = environ, limits

    async def submit(self, ask: Submit, key: Key | None, fingerprint: str | None) -> Added:
        """Store a run and let it start, or return the run that the key named already.

        Raises Invalid or BadRequest for an agent that cannot run, DiskFull, QueueFull, KeyReused; none
        leaves a row. A key answers before every other rule, so a repeated submit succeeds even where a
        new one would not.
        """
        try:
            agent = await self._choose(ask)
        except (PraisonrunError, OSError):
            if key is not None and (known := await self._named(key, fingerprint)) is not None:
                return Added(known, replayed=True)
            raise
        return await self._add(self._mint(ask, agent), agent, ask.envs, key, fingerprint)

    async def _add(
        self, run: Run, agent: Agent, envs: Mapping[str, str], key: Key | None, fingerprint: str | None
    ) -> Added:
        run = replace(run, version=await self._store.see_version(agent, run.created_at))
        born = self._scheduler.reserve(agent)
        if born:
            run = lifecycle.claim(run, run.created_at, self._scheduler.boot)
        self._supervisor.keep(run, agent, envs)
        added: Added | None = None
        try:
            with anyio.CancelScope(shield=True):  # what is on the disk must also be let go
                added = await self._store.add(
                    run, key=key, fingerprint=fingerprint, queue_limit=self.limits.queue
                )
                if born and not added.replayed:
                    await self._scheduler.launch(added.run)
        finally:
            if added is None or added.replayed:
                self._drop(run, born=born)
        assert added is not None
        if not born:
            self._scheduler.wake()
        return added

    async def retry(self, run_id: str, envs: Mapping[str, str]) -> Added:
        """Submit a final run once more, as a new run that names its origin.

        It is run by the version that the origin was run by. Raises NotFound, WrongState for a live
        run, Invalid when the origin's envs are not given again.
        """
        origin = await self._store.get_full(run_id)
        if origin.status not in lifecycle.FINAL:
            raise WrongState(f"run {run_id} is {origin.status}; only a finished run can be retried")
        missing = sorted(set(origin.env_names) - envs.keys())
        if missing:
            raise Invalid(f"envs are never stored: give {', '.join(missing)} again", field="envs")
        agent = await self._supervisor.agent_of(origin)
        await self._check(agent, origin.prompt, envs)
        run = replace(
            _blank(self._now()),
            agent=origin.agent,
            version=origin.version,
            prompt=origin.prompt,
            input=origin.input,
            session_id=origin.session_id,
            priority=origin.priority,
            timeout=origin.timeout,
            retries=origin.retries,
            backoff=origin.backoff,
            metadata=origin.metadata,
            webhook_url=origin.webhook_url,
            retention_seconds=origin.retention_seconds,
            env_names=tuple(sorted(envs)),
            origin=origin.id,
        )
        return await self._add(run, agent, envs, None, None)

    async def _choose(self, ask: Submit) -> Agent:
        choice = ask.choice
        if choice.file is not None:
            agent = self._catalog.from_file(choice.file, choice.framework, choice.name)
        else:
            agent = self._catalog.get(choice.name, choice.framework)
        await self._check(agent, ask.prompt, ask.envs)
        return agent

    async def _check(self, agent: Agent, prompt: str, envs: Mapping[str, str]) -> None:
        """Refuse what could only fail later."""
        if agent.mode is not Mode.RUN:
            raise Invalid(
                f"agent {agent.name!r} is a service; it cannot be submitted as a run", field="agent"
            )
        if agent.crew is None:
            preflight(agent, prompt, self._environ, envs)
        else:  # a first look at a framework's interpreter starts it
            await asyncio.to_thread(preflight, agent, prompt, self._environ, envs)
            self._catalog.crew_copy(agent, crew_files(self._rundir))
        free = self._rundir.free_bytes()
        if free < self.limits.min_free:
            raise DiskFull(
                f"{free >> 20} MB free on the disk of the state directory, "
                f"less than --min-free {self.limits.min_free >> 20}",
                retry_after=60,
            )

    def _mint(self, ask: Submit, agent: Agent) -> Run:
        return replace(
            _blank(self._now()),
            agent=agent.name,
            prompt=ask.prompt,
            input=ask.input,
            session_id=ask.session_id,
            priority=agent.priority if ask.priority is None else ask.priority,
            timeout=min((t for t in (ask.timeout, agent.timeout) if t is not None), default=None),
            retries=agent.retries if ask.retries is None else ask.retries,
            backoff=agent.backoff,
            metadata=ask.metadata,
            webhook_url=ask.webhook_url,
            retention_seconds=ask.retention_seconds,
            env_names=tuple(sorted(ask.envs)),
            origin=ask.origin,
        )

    async def _named(self, key: Key, fingerprint: str | None) -> Run | None:
        found = await self._store.find_key(key)
        if found is None:
            return None
        if found[0] != fingerprint:
            raise KeyReused(f"the idempotency key {key.key!r} was used for another payload")
        return await self._store.get(found[1])

    def _drop(self, run: Run, *, born: bool) -> None:
        self._supervisor.forget(run.id)
        if born:
            self._scheduler.release(run.agent)


def new_suffix() -> str:
    """Return 26 characters of [0-9a-z], increasing with time: what all names of one run share."""
    number = uuid_utils.uuid7().int
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def _blank(at: int) -> Run:
    return Run(id=f"run_{new_suffix()}", agent="", version="", created_at=at, updated_at=at, due_at=at)
