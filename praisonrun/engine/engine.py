"""The one door: submit, get, find, cancel, delete, retry, follow. Every dialect goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import anyio

from ..core import lifecycle
from ..core.agent import Agent
from ..core.errors import NotFound, Unavailable, WrongState, reason
from ..core.model import Phase, Run, Snapshot, Status
from ..core.notifier import DELIVERIES, run_topic
from ..files import artifacts
from ..files.artifacts import Artifact
from ..store import Added, Find, Key
from ..webhooks import Webhooks
from .admission import Limits
from .context import Context
from .follow import Follower, SharedRendering
from .journals import Journals
from .request import Choice, Submit
from .reservations import Reservations
from .slots import RunSlots
from .submit import Submissions
from .supervisor import Supervisor
from .viewers import Viewers

__all__ = ["Choice", "Engine", "Submit"]

CANCEL_PATIENCE = 2.0
"""Seconds beyond the grace that a cancel waits for the process to be gone."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an engine, which `app` assembles."""

    supervisor: Supervisor
    reservations: Reservations
    slots: RunSlots
    submissions: Submissions
    viewers: Viewers
    webhooks: Webhooks


class Engine:
    """Runs, whatever wire they came over."""

    def __init__(self, context: Context, parts: Parts, limits: Limits) -> None:
        self.catalog, self.limits, self.webhooks = context.catalog, limits, parts.webhooks
        self.store, self.files, self._notifier = context.store, context.files, context.notifier
        self._now, self.viewers = context.now, parts.viewers
        self._supervisor, self._reservations = parts.supervisor, parts.reservations
        self._slots, self._submissions = parts.slots, parts.submissions
        self.journals = Journals(self.files, self._supervisor)
        self._follower = Follower(self.files, self._notifier, self.viewers, self._is_final)
        self._handled: set[str] = set()
        """Runs that are being deleted or started again."""

    async def submit(
        self, ask: Submit, key: Key | None = None, fingerprint: str | None = None
    ) -> tuple[Snapshot, bool]:
        """Store a run and let it start. Returns it, and whether the key named one that was there already.

        See Submissions.submit for what it raises.
        """
        added = await self._submissions.submit(ask, key, fingerprint)
        return await self._taken(added), added.replayed

    async def retry(self, run_id: str, envs: Mapping[str, str]) -> Snapshot:
        """Submit a finished run once more, as a new run that names its origin. See Submissions.retry."""
        return await self._taken(await self._submissions.retry(run_id, envs))

    async def release(self, run_id: str, prompt: str, given: str | None = None) -> Snapshot:
        """Give a held run its prompt and input, and let it start. See Submissions.release."""
        await self._submissions.release(run_id, prompt, given)
        return await self.get(run_id)

    async def restart(self, run_id: str, envs: Mapping[str, str], reason: str | None = None) -> Snapshot:
        """Stop a service if it lives, and start it again under its id. See Submissions.restart.

        Raises WrongState while the service is being restarted or deleted already.
        """
        with self._alone(run_id):
            run = await self.row(run_id)
            if run.status not in lifecycle.FINAL:
                await self._submissions.check_restart(run, envs)
                with suppress(WrongState):
                    await self.cancel(run_id, reason or "restart")
                with anyio.move_on_after(CANCEL_PATIENCE):
                    await self.until_final(run_id)
            await self._submissions.restart(run_id, envs)
        return await self.get(run_id)

    @contextmanager
    def _alone(self, run_id: str) -> Iterator[None]:
        """Let one request at a time remove a run or start it again. Raises WrongState for another."""
        if run_id in self._handled:
            raise WrongState(f"run {run_id} is being restarted or deleted already")
        self._handled.add(run_id)
        try:
            yield
        finally:
            self._handled.discard(run_id)

    async def _taken(self, added: Added) -> Snapshot:
        if added.replayed:
            return await self.get(added.run.id)
        return Snapshot(added.run, Phase.STARTING if added.run.status is Status.RUNNING else None)

    async def get(self, run_id: str, *, full: bool = False) -> Snapshot:
        """Return a run as it is now; with prompt and input if wanted `full`. Raises NotFound."""
        live = self._supervisor.live.get(run_id)
        if live is not None:
            return await live.snapshot()
        return _snapshot(await (self.store.get_full(run_id) if full else self.store.get(run_id)))

    async def row(self, run_id: str) -> Run:
        """Return a run without what only its process or its journal can tell. Raises NotFound."""
        live = self._supervisor.live.get(run_id)
        return live.run if live is not None else await self.store.get(run_id)

    async def input_of(self, run_id: str) -> tuple[str, str | None]:
        """Return a run's prompt, and its input if it was given one (JSON text). Raises NotFound."""
        run = await self.store.get_full(run_id)
        return run.prompt, run.input

    async def find(self, wanted: Find) -> tuple[list[Snapshot], int]:
        """Return a page of runs, newest first, and how many there are in all."""
        page = await self.store.find(wanted)
        shown = []
        for run in page.runs:
            live = self._supervisor.live.get(run.id)
            shown.append(await live.snapshot() if live is not None else _snapshot(run))
        return shown, page.total

    async def cancel(
        self, run_id: str, reason: str | None = None, *, wait: bool = True, keep_scratch: bool = False
    ) -> Snapshot:
        """Ask a run and its descendants to end; with `wait`, return when their processes are gone.

        `keep_scratch` has the scratch directory of a service kept for a while.
        That takes no longer than the longest grace and 2 s. Raises NotFound, WrongState for a final run.
        """
        at = self._now()
        with anyio.CancelScope(shield=True):  # what the rows say, the processes must hear
            rows = await self.store.change_tree(
                run_id, lambda run: lifecycle.cancel(run, at, reason, keep_scratch=keep_scratch)
            )
            grace = max(map(self._cancelled, rows))
        if wait:
            with anyio.move_on_after(grace + CANCEL_PATIENCE):
                for run in rows:
                    with suppress(NotFound):
                        await self.until_final(run.id)
        return await self.get(run_id)

    def _cancelled(self, row: Run) -> float:
        """Act on a cancel that the row has; return the seconds that its process may take."""
        grace = 0.0
        if row.status in lifecycle.FINAL:
            self._reservations.drop(row.id)
            self._notifier.ring(*([DELIVERIES] if row.webhook_url else []))
        else:
            grace = self._supervisor.cancel(row)
        self._notifier.ring(run_topic(row.id))
        return grace

    async def until_final(self, run_id: str) -> Snapshot:
        """Return the run once it is final. Raises NotFound."""
        while True:
            bell = self._notifier.bell(run_topic(run_id))
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
        """Remove a finished run and every trace of it. Raises NotFound, WrongState for a live one and for
        a service that is being restarted, Unavailable where its files cannot be removed.

        The files go first: a crash in between leaves a row that can be deleted again, not an orphan.
        """
        with self._alone(run_id):
            run = await self.row(run_id)
            if run.status not in lifecycle.FINAL:
                raise WrongState(f"run {run_id} is {run.status}; cancel it first")
            try:
                await asyncio.to_thread(self.files.remove, run_id)
            except OSError as error:
                raise Unavailable(
                    f"the files of run {run_id} cannot be removed: {reason(error)}; try again"
                ) from error
            await self.store.delete(run_id)
        self.viewers.forget(run_id)
        self._notifier.ring(run_topic(run_id))

    async def see_version(self, agent: Agent) -> str:
        """Keep an agent's entry as it is now, once, and return its digest."""
        return await self.store.see_version(agent, self._now())

    async def agent_of(self, run: Run) -> Agent:
        """Return the version of its agent that the run was submitted with, without its env values."""
        return await self._supervisor.versions.of(run)

    async def format_of(self, run: Run) -> str:
        """Return the name of the run's output format."""
        return (await self._supervisor.versions.of(run)).format

    async def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the files that a run left."""
        return await asyncio.to_thread(artifacts.listed, self.files.folder(run_id))

    async def artifact(self, run_id: str, path: str) -> int:
        """Return an open descriptor of one of them, which the caller closes. Raises NotFound."""
        return await asyncio.to_thread(artifacts.opened, self.files.folder(run_id), path)

    def follow(self, run_id: str, offset: int, rendering: SharedRendering) -> AsyncGenerator[bytes, None]:
        """See Follower.follow."""
        return self._follower.follow(run_id, offset, rendering)

    async def followed(self, run_id: str) -> Snapshot:
        """Return a run that was followed; unread while it is still watched. Raises NotFound."""
        ended = self.viewers.end_of(run_id)
        return _snapshot(ended) if ended is not None else await self.get(run_id)

    def dismiss(self) -> None:
        """Let all who follow go: the server stops."""
        self._follower.close()

    @property
    def dismissed(self) -> bool:
        """Whether nobody should wait for news any more."""
        return self._follower.closed

    def bell(self, run_id: str) -> asyncio.Event:
        """Return the bell that the run's next change or, while it is watched, output will ring."""
        return self._notifier.bell(run_topic(run_id))

    @property
    def live_count(self) -> int:
        """How many runs have a process, or are about to."""
        return len(self._supervisor.live)

    @property
    def concurrency(self) -> int:
        """How many runs may be live."""
        return self._slots.total

    async def _is_final(self, run_id: str) -> bool:
        if run_id in self._supervisor.live:
            return False
        if self.viewers.end_of(run_id) is not None:
            return True
        return (await self.store.get(run_id)).status in lifecycle.FINAL


def _snapshot(run: Run) -> Snapshot:
    summary = run.summary or {}
    # Claimed, but not handed to the supervisor yet: its process is about to be started.
    phase = Phase.STARTING if run.status is Status.RUNNING else None
    return Snapshot(
        run,
        phase,
        run.pid,
        progress=summary.get("progress", {}),
        usage=summary.get("usage", {}),
        scratch=run.scratch_until is not None,
    )
