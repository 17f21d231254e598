"""The one door: submit, get, find, cancel, delete, retry, follow. Every dialect goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace

import anyio
import uuid_utils

from . import journal, lifecycle
from .agents import Catalog, preflight
from .errors import BadRequest, DiskFull, Invalid, KeyReused, NotFound, PraisonrunError, WrongState
from .feed import Feed, Rendering
from .launch import crew_files
from .model import Agent, Json, Mode, Phase, Run, Snapshot, Status
from .notifier import DELIVERIES, Notifier, of_run
from .rundir import RunDir
from .scheduler import Scheduler
from .store import Find, Key, Sizes, Store
from .story import Reader, Result, result
from .supervisor import Supervisor
from .watch import Watch

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
CANCEL_PATIENCE = 2.0
"""Seconds beyond the grace that a cancel waits for the process to be gone."""


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


class Engine:
    """Runs, whatever wire they came over."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        rundir: RunDir,
        bells: Notifier,
        watch: Watch,
        supervisor: Supervisor,
        scheduler: Scheduler,
        *,
        environ: Mapping[str, str],
        limits: Limits,
        now: Callable[[], int],
    ) -> None:
        self.catalog = catalog
        self._store, self._rundir, self._bells, self._watch = store, rundir, bells, watch
        self._supervisor, self._scheduler = supervisor, scheduler
        self._environ, self.limits, self._now = environ, limits, now
        self._feed = Feed(rundir, bells, watch, self._is_final)

    async def submit(
        self, ask: Submit, key: Key | None = None, fingerprint: str | None = None
    ) -> tuple[Snapshot, bool]:
        """Store a run and let it start. Returns it, and whether the key named one that was there already.

        Raises Invalid or BadRequest for an agent that cannot run, DiskFull, QueueFull, KeyReused; none
        leaves a row. A key answers before every other rule, so a repeated submit succeeds even where a
        new one would not.
        """
        try:
            agent = await self._choose(ask)
        except (PraisonrunError, OSError):
            if key is not None and (run_id := await self._named(key, fingerprint)) is not None:
                return await self.get(run_id), True
            raise
        return await self._submit(self._mint(ask, agent), agent, ask.envs, key, fingerprint)

    async def _submit(
        self, run: Run, agent: Agent, envs: Mapping[str, str], key: Key | None, fingerprint: str | None
    ) -> tuple[Snapshot, bool]:
        run = replace(run, version=await self._store.see_version(agent, run.created_at))
        born = self._scheduler.reserve(agent)
        if born:
            run = lifecycle.claim(run, run.created_at, self._scheduler.boot)
        self._supervisor.keep(run, agent, envs)
        try:
            added = await self._store.add(
                run, key=key, fingerprint=fingerprint, queue_limit=self.limits.queue
            )
        except BaseException:
            self._drop(run, born=born)
            raise
        if added.replayed:
            self._drop(run, born=born)
            return await self.get(added.run.id), True
        if born:
            await self._scheduler.launch(added.run)
            return Snapshot(added.run, Phase.STARTING), False
        self._scheduler.wake()
        return Snapshot(added.run), False

    async def get(self, run_id: str) -> Snapshot:
        """Return a run as it is now. Raises NotFound."""
        live = self._supervisor.live.get(run_id)
        if live is not None:
            return await live.snapshot()
        return _snapshot(await self._store.get(run_id))

    async def find(self, wanted: Find) -> tuple[list[Snapshot], int]:
        """Return a page of runs, newest first, and how many there are in all."""
        page = await self._store.find(wanted)
        shown = []
        for run in page.runs:
            live = self._supervisor.live.get(run.id)
            shown.append(await live.snapshot() if live is not None else _snapshot(run))
        return shown, page.total

    async def cancel(self, run_id: str, reason: str | None = None, *, wait: bool = True) -> Snapshot:
        """Ask a run to end; with `wait`, return when its process is gone, or after grace and 2 s.

        Raises NotFound, WrongState for a final run.
        """
        at = self._now()
        run = await self._store.change(run_id, lambda run: lifecycle.cancel(run, at, reason))
        if run.status in lifecycle.FINAL:
            self._supervisor.forget(run_id)
            self._bells.ring(of_run(run_id), DELIVERIES)
        else:
            grace = self._supervisor.cancel(run)
            self._bells.ring(of_run(run_id))
            if wait:
                with anyio.move_on_after(grace + CANCEL_PATIENCE):
                    await self.until_final(run_id)
        return await self.get(run_id)

    async def until_final(self, run_id: str) -> Snapshot:
        """Return the run once it is final. Raises NotFound."""
        while True:
            bell = self._bells.bell(of_run(run_id))
            if await self._is_final(run_id):
                return await self.get(run_id)
            await bell.wait()

    async def cancel_live(self) -> None:
        """Cancel every live run and return when their processes are gone, or after their grace and 2 s."""
        async with anyio.create_task_group() as tasks:
            for run_id in list(self._supervisor.live):
                tasks.start_soon(self._cancel_quietly, run_id)

    async def _cancel_quietly(self, run_id: str) -> None:
        with suppress(WrongState, NotFound):
            await self.cancel(run_id, "the server was asked to stop")

    async def delete(self, run_id: str) -> None:
        """Remove a final run and every trace of it. Raises NotFound, WrongState for a live one.

        The files go first: a crash in between leaves a row that can be deleted again, not an orphan.
        """
        run = (await self.get(run_id)).run
        if run.status not in lifecycle.FINAL:
            raise WrongState(f"run {run_id} is {run.status}; cancel it first")
        await asyncio.to_thread(self._rundir.remove, run_id)
        await self._store.delete(run_id)
        self._bells.ring(of_run(run_id))

    async def retry(self, run_id: str, envs: Mapping[str, str]) -> Snapshot:
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
        return (await self._submit(run, agent, envs, None, None))[0]

    async def result(self, run: Run) -> Result:
        """Return what a final run answered."""
        agent = await self._supervisor.agent_of(run)
        return await asyncio.to_thread(result, self._rundir, run.id, agent.format)

    async def format_of(self, run: Run) -> str:
        """Return the name of the run's output format."""
        return (await self._supervisor.agent_of(run)).format

    def follow(self, run_id: str, offset: int, rendering: Rendering) -> AsyncGenerator[bytes, None]:
        """See Feed.follow."""
        return self._feed.follow(run_id, offset, rendering)

    def watching(self, run_id: str) -> AbstractContextManager[None]:
        """Have the run's bell rung by its output, too, while somebody is inside this block."""
        return self._watch.watching(run_id)

    def bell(self, run_id: str) -> asyncio.Event:
        """Return the bell that the run's next change or, while it is watched, output will ring."""
        return self._bells.bell(of_run(run_id))

    def reader(self, run_id: str) -> Reader | None:
        """Open the run's journal, or None while there is none."""
        try:
            return Reader(self._rundir, run_id)
        except FileNotFoundError:
            return None

    async def totals(self) -> dict[Status, int]:
        """Return how many runs there are of each status."""
        return await self._store.totals()

    async def totals_by_agent(self) -> dict[str, dict[Status, int]]:
        """Return how many runs each agent has of each status that it has."""
        return await self._store.totals_by_agent()

    def sizes(self) -> Sizes:
        """Return what the store weighs."""
        return self._store.sizes()

    @property
    def live_count(self) -> int:
        """How many runs have a process, or are about to."""
        return len(self._supervisor.live)

    @property
    def concurrency(self) -> int:
        """How many runs may be live."""
        return self._scheduler.concurrency

    def free_bytes(self) -> int:
        """Return the free space on the state directory's disk."""
        return self._rundir.free_bytes()

    async def _choose(self, ask: Submit) -> Agent:
        choice = ask.choice
        if choice.file is not None:
            agent = self.catalog.from_file(choice.file, choice.framework, choice.name)
        else:
            agent = self.catalog.get(choice.name, choice.framework)
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
            self.catalog.crew_copy(agent, crew_files(self._rundir))
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

    async def _named(self, key: Key, fingerprint: str | None) -> str | None:
        found = await self._store.find_key(key)
        if found is None:
            return None
        if found[0] != fingerprint:
            raise KeyReused(f"the idempotency key {key.key!r} was used for another payload")
        return found[1]

    def _drop(self, run: Run, *, born: bool) -> None:
        self._supervisor.forget(run.id)
        if born:
            self._scheduler.release(run.agent)

    async def _is_final(self, run_id: str) -> bool:
        if run_id in self._supervisor.live:
            return False
        return (await self._store.get(run_id)).status in lifecycle.FINAL


def check_cursor(snapshot: Snapshot, after: int, reader: Reader | None) -> None:
    """Raise BadRequest for a cursor that names no place of this run's stream.

    Saying so beats skipping: a cursor of another run would otherwise show a part as the whole.
    """
    offset, _ = journal.place(after)
    if offset == 0 or offset == snapshot.run.journal_end:
        return
    if after < 0 or reader is None or not reader.is_place(offset):
        raise BadRequest(f"cursor {after} names no event of run {snapshot.run.id}; start without one")


def new_suffix() -> str:
    """Return 26 characters of [0-9a-z], increasing with time: what all names of one run share."""
    number = uuid_utils.uuid7().int
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def _blank(at: int) -> Run:
    return Run(id=f"run_{new_suffix()}", agent="", version="", created_at=at, updated_at=at, due_at=at)


def _snapshot(run: Run) -> Snapshot:
    summary = run.summary or {}
    return Snapshot(run, pid=run.pid, progress=summary.get("progress", {}), usage=summary.get("usage", {}))
