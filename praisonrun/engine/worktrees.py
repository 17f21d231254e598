"""The worktrees of runs: chosen at submit, made before the first attempt, kept or removed at the end.

A run has one exactly if its row has `worktree_base`. What became of it is noted beside it before the run's
end is stored, and all that is left goes after that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Mapping

import anyio

from ..core import lifecycle
from ..core.agent import Agent
from ..core.errors import Invalid, NotFound, PraisonrunError
from ..core.json import Json
from ..core.model import Run
from ..core.notifier import CHANGES, run_topic
from ..files.worktrees import Worktree, run_ids
from ..process import sweep
from ..worktrees.checkout import directory, make
from ..worktrees.git import Git, GitFailed
from ..worktrees.keeping import About, keep
from ..worktrees.repository import repository
from .context import Context, Live

log = logging.getLogger("praisonrun")
LOOKS = 16
"""Submits that ask git at once."""
PATIENCE = 10.0
"""Seconds that a git of an earlier server has to end by itself, before it is killed."""
LOOK = 0.05
"""Seconds between two looks at whether it has."""


class Worktrees:
    """All worktrees of one engine."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._git = Git(context.catalog.environ)
        self._looks = anyio.CapacityLimiter(LOOKS)
        self._known: set[str] = set()
        """Runs on whose worktrees only this server's git can be at work."""

    async def base(self, agent: Agent, cwd: str | None, session_id: str | None) -> str | None:
        """Return the commit at which a run of this agent begins; None if it has no worktree.

        Raises Invalid where it can have none, which is about the submit's `cwd` or else its agent.
        """
        if not agent.worktree:
            return None
        if session_id is not None:
            why = f"agent {agent.name!r} has worktree: true, where each run has a directory of its own"
            raise Invalid(f"{why}: it cannot continue a session; leave out session_id", field="session_id")
        try:
            async with self._looks:
                return (await repository(self._git, cwd or agent.cwd)).head
        except OSError as error:
            why = error.strerror or "error"
            raise Invalid(f"git cannot look at {cwd or agent.cwd}: {why}", field="cwd") from None
        except GitFailed as error:
            raise Invalid(error.message, field="agent" if cwd is None else "cwd") from None

    async def prepare(self, live: Live) -> None:
        """Make the worktree of a run whose attempt is about to start, unless it has it; see `Live.directory`.

        A cancel of the run ends this. Raises GitFailed, OSError.
        """
        run = live.run
        if run.worktree_base is None:
            return
        with anyio.CancelScope() as live.preparing:
            tree = await self._tree(run)
            made = await asyncio.to_thread(tree.made)
            if made is None or not made.whole:
                where = run.cwd or live.agent.cwd
                made = await make(self._marked(run), tree, run.id, run.worktree_base, where)
            live.directory, live.note = directory(tree, made), made.note
        live.preparing = None

    async def place(self, run: Run, agent: Agent) -> str:
        """Return the directory that a run works in, or worked."""
        if run.worktree_base is not None:
            tree = self._context.files.worktree(run.id)
            if (made := await asyncio.to_thread(tree.made)) is not None:
                return directory(tree, made)
        return run.cwd or agent.cwd

    async def keep(self, run: Run, at: int) -> dict[str, Json] | None:
        """Return what becomes of the worktree of a run whose last attempt has ended; see `keeping.keep`.

        None if it has none, or none was made. `at` is the time of its end, microseconds since the epoch.
        """
        if run.worktree_base is None or not (tree := await self._tree(run)).exists():
            return None
        message = f"{run.title or 'praisonrun'}\n\nAgent: {run.agent}\nRun: {run.id}\n"
        about = About(message, at // 1_000_000, self._context.files.folder(run.id))
        return await keep(self._marked(run), tree, about)

    async def clear(self, run: Run) -> None:
        """Remove what is left of a final run's worktree. It may have been cancelled while it was queued."""
        if run.worktree_base is None:
            return
        self._known.discard(run.id)
        if not (tree := self._context.files.worktree(run.id)).exists():
            return
        try:
            kept = _told(run)
            if kept is None:
                kept = await self.keep(run, run.finished_at or 0) or {}
                await self._tell(run, kept)
            if "path" not in kept:
                await asyncio.to_thread(tree.remove)
        except (PraisonrunError, OSError) as error:  # the next start looks again
            log.warning("run %s: its worktree stays at %s: %s", run.id, tree.path, error)

    async def clear_left(self, live: Container[str]) -> None:
        """Do that for the runs that an earlier server did not come to; who is `live` does it itself."""
        for run_id in await asyncio.to_thread(lambda: list(run_ids(self._context.files.root))):
            try:
                run = await self._context.store.get(run_id)
            except PraisonrunError:  # retention looks for what belongs to no run
                continue
            if run.status in lifecycle.FINAL and run_id not in live:
                await self.clear(run)

    async def _tell(self, run: Run, kept: Mapping[str, Json]) -> None:
        """Store what became of the worktree of a run that is final already."""

        def decide(row: Run) -> Run:
            return row._replace(summary={**(row.summary or {}), "worktree": dict(kept)})

        try:
            await self._context.store.change(run.id, decide)
        except NotFound:
            return
        self._context.notifier.ring(run_topic(run.id), CHANGES)

    async def _tree(self, run: Run) -> Worktree:
        """Return a run's worktree once no git works on it that an earlier server started."""
        tree, entry = self._context.files.worktree(run.id), f"{sweep.MARK}={self._mark(run)}"
        if run.id not in self._known and tree.exists():
            with anyio.move_on_after(PATIENCE):
                while await asyncio.to_thread(sweep.marked, entry):  # noqa: ASYNC110 - not our children
                    await anyio.sleep(LOOK)
            await asyncio.to_thread(sweep.kill_marked, self._mark(run))
        self._known.add(run.id)
        return tree

    def _marked(self, run: Run) -> Git:
        return self._git.within(**{sweep.MARK: self._mark(run)})

    def _mark(self, run: Run) -> str:
        """Return what the gits that work on a run's worktree are known by: no attempt has the same."""
        return f"{self._context.store.id}/{run.id}/worktree"


def _told(run: Run) -> dict[str, Json] | None:
    found = (run.summary or {}).get("worktree")
    return found if isinstance(found, dict) else None
