"""The one door: submit, get, find, cancel, delete, retry. Every dialect goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import anyio

from ..core import lifecycle
from ..core.errors import NotFound, Unavailable, WrongState, reason
from ..core.model import Run, Snapshot
from ..core.notifier import run_topic
from ..core.question import Question
from ..files.artifacts import Artifact, listed, opened
from ..store import Added, Find, Key
from ..webhooks import Webhooks
from . import names
from .cancels import PATIENCE, Cancels
from .context import Context, stored
from .feed import Feed
from .journals import Journals
from .large_results import LargeResults
from .questions import Questions
from .queue import Queue
from .request import Choice, Submit
from .reservations import Reservations
from .shared_results import SharedResults
from .submit import Change, Submissions
from .supervisor import Supervisor
from .waits import Waits

__all__ = ["Choice", "Engine", "Submit"]


class Engine:
    """Runs, whatever wire they came over."""

    def __init__(
        self, context: Context, supervisor: Supervisor, reservations: Reservations, webhooks: Webhooks
    ) -> None:
        self.store, self.files, self.catalog = context.store, context.files, context.catalog
        self.viewers, self.limits, self.webhooks = context.viewers, context.limits, webhooks
        self._notifier, self._now = context.notifier, context.now
        self._supervisor = supervisor
        self._submissions = Submissions(context, supervisor, reservations, webhooks)
        self.live, self.versions = supervisor.live, supervisor.versions
        self.journals = Journals(context, supervisor)
        self.large_results = LargeResults(context.files)
        self._cancels = Cancels(context, supervisor)
        self.shared_results = SharedResults(self.journals)
        self._waits = Waits(context, reservations.slots)
        self._questions, self._asks = Questions(context.store), supervisor.asks
        self.feed = Feed(context, supervisor.live, self._waits, self._questions)
        self.queue = Queue(context, reservations.slots)
        self._handled: set[str] = set()
        """Runs that are being deleted or started again."""

    async def submit(self, ask: Submit, key: Key | None = None) -> tuple[Snapshot, bool]:
        """Store a run and let it start; return it, and if it was there by its key. See Submissions.submit."""
        return await self._added(await self._submissions.submit(ask, key))

    async def _added(self, added: Added) -> tuple[Snapshot, bool]:
        shown = self.get(added.run.id) if added.replayed else self._waits.shown(added.run)
        return await shown, added.replayed

    async def retry(
        self, run_id: str, envs: Mapping[str, str], key: Key | None = None, change: Change | None = None
    ) -> tuple[Snapshot, bool]:
        """Submit a finished run once more; return the new run, and if it was there by its key.

        See Submissions.retry.
        """
        return await self._added(await self._submissions.retry(run_id, envs, key, change))

    async def release(self, run_id: str, prompt: str, given: str | None = None) -> Snapshot:
        """Give a held run its prompt and input, and let it start. See Submissions.release."""
        await self._submissions.release(run_id, prompt, given)
        return await self.get(run_id)

    async def restart(self, run_id: str, envs: Mapping[str, str], reason: str | None = None) -> Snapshot:
        """Stop a service if it lives, and start it again under its id. See Submissions.restart."""
        with self._alone(run_id):
            run = await self.row(run_id)
            agent = await self._submissions.check_restart(run, envs)
            if run.status not in lifecycle.FINAL:
                with suppress(WrongState):
                    await self.cancel(run_id, reason or "restart")
                with anyio.move_on_after(PATIENCE):
                    await self.until_final(run_id)
            await self._submissions.restart(run_id, agent, envs)
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

    async def get(self, run_id: str, *, full: bool = False) -> Snapshot:
        """Return a run as it is now; with prompt and input if wanted `full`. Raises NotFound."""
        return await self._now_is(run_id, self.store.get_full if full else self.store.get)

    async def get_prompted(self, run_id: str) -> Snapshot:
        """Return a run as it is now, with prompt and its place in the queue. Raises NotFound."""
        return await self._waits.placed(await self._now_is(run_id, self.store.get_prompted))

    async def _now_is(self, run_id: str, read: Callable[[str], Awaitable[Run]]) -> Snapshot:
        live = self.live.get(run_id)
        shown = await (self._waits.shown(await read(run_id)) if live is None else live.snapshot())
        return await self._questions.all_of(shown)

    async def meant(self, word: str) -> Snapshot:
        """Return the run that a person means as it is now. Raises NotFound, Invalid. See names.meant."""
        return await self.get_prompted(await names.meant(self.store, word))

    async def row(self, run_id: str) -> Run:
        """Return a run without what only its process or its journal can tell. Raises NotFound."""
        live = self.live.get(run_id)
        return live.run if live is not None else await self.store.get(run_id)

    async def find(self, wanted: Find) -> tuple[list[Snapshot], int]:
        """Return a page of runs, newest first, and how many there are in all."""
        page = await self.store.find(wanted)
        found = [(run, self.live.get(run.id)) for run in page.runs]
        shown = [await live.snapshot() if live else await self._waits.shown(run) for run, live in found]
        return await self._questions.open_of(shown), page.total

    async def answer(self, run_id: str, ask_id: str, given: str) -> Question:
        """Answer what a run's agent asks, once. See Asks.answer."""
        return await self._asks.answer(run_id, ask_id, given)

    async def cancel(
        self, run_id: str, reason: str | None = None, *, wait: bool = True, keep_scratch: bool = False
    ) -> Snapshot:
        """Ask a run and its descendants to end; with `wait`, return when their processes are gone, or after
        the longest grace and 2 s. Raises NotFound, WrongState for a final run.

        `keep_scratch` has the scratch directory of a service kept for a while.
        """
        asked = await self._cancels.one(run_id, reason, keep_scratch=keep_scratch)
        if wait:
            await self._cancels.gone(asked)
        return await self.get(run_id)

    async def cancel_found(self, wanted: Find, *, wait: bool = True) -> list[str]:
        """Ask all runs that a query finds, and their descendants, to end; return the ids of all of these.

        With `wait`, return when their processes are gone, or after the longest grace and 2 s.
        """
        asked = await self._cancels.found(wanted)
        if wait:
            await self._cancels.gone(asked)
        return list(asked.ids)

    async def until_final(self, run_id: str) -> Snapshot:
        """Return the run once it is final. Raises NotFound."""
        await self._supervisor.until_final(run_id)
        return await self.get(run_id)

    async def cancel_live(self) -> None:
        """Cancel every live run and return when their processes are gone, or after their grace and 2 s."""
        async with anyio.create_task_group() as tasks:
            for run_id in list(self.live):
                tasks.start_soon(self._cancel_quietly, run_id)

    async def _cancel_quietly(self, run_id: str) -> None:
        with suppress(WrongState, NotFound):
            await self.cancel(run_id, "the server was asked to stop")

    async def delete(self, run_id: str) -> None:
        """Remove a finished run and every trace of it.

        The files go first: a crash in between leaves a row that can be deleted again, not an orphan. Raises
        NotFound, WrongState for a live one or one that is being restarted, Unavailable if files stay.
        """
        with self._alone(run_id):
            run = await self.row(run_id)
            if run.status not in lifecycle.FINAL:
                raise WrongState(f"run {run_id} is {run.status}; cancel it first")
            try:
                await asyncio.to_thread(self.files.remove, run_id)
            except OSError as error:
                why = f"the files of run {run_id} cannot be removed: {reason(error)}; try again"
                raise Unavailable(why) from error
            await self.store.delete(run_id)
        self.viewers.ends.pop(run_id, None)
        self._notifier.ring(run_topic(run_id))

    async def problems(self) -> list[str]:
        """Return what keeps runs from being taken or kept, and what to do about it."""
        self.catalog.all()  # looks at the file, so that its problem is known
        stored = await self.store.problems()
        found = [self.catalog.problem, *stored, None if stored else self._files_problem()]
        return [problem for problem in found if problem]

    def _files_problem(self) -> str | None:
        if self.files.free_bytes() < self.limits.min_free:
            return "the disk is nearly full: new runs are rejected until there is space"
        live = [each.run.id for each in self.live.values() if each.pid]
        for run_id in (run_id for run_id in live if not self.files.sound(run_id)):
            return f"the journal of run {run_id} was removed or cut short while it runs: cancel and retry it"
        return None

    async def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the files that a run left."""
        return await asyncio.to_thread(listed, self.files.folder(run_id))

    async def artifact(self, run_id: str, path: str) -> int:
        """Return an open descriptor of one of them, which the caller closes. Raises NotFound."""
        return await asyncio.to_thread(opened, self.files.folder(run_id), path)

    async def followed(self, run_id: str) -> Snapshot:
        """Return a run that was followed; unread while it is still watched. Raises NotFound."""
        ended = self.viewers.ends.get(run_id)
        return stored(ended) if ended is not None else await self.get(run_id)

    def bell(self, run_id: str) -> asyncio.Event:
        """Return the bell that the run's next change or, while it is watched, output will ring."""
        return self._notifier.bell(run_topic(run_id))
