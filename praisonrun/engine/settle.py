"""What an attempt's end comes to: its journal, its files and its readiness, read once, as one decision."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from ..core import lifecycle
from ..core.agent import Agent
from ..core.conversation import Conversation, after, names_one
from ..core.errors import DiskFull, NotFound, Unavailable
from ..core.judge import judge
from ..core.model import Exit, Failure, Json, Mode, Outcome, Run, Status, Verdict
from ..files.artifacts import manifest, own_manifest
from ..journal.formats import FORMATS
from ..journal.last_words import error_tail
from ..journal.printed import verdict as printed_verdict
from ..journal.results import last_words, result
from ..journal.summary import Summary
from ..journal.unknown import knew_nothing
from ..services.readiness import explained
from .asks import Asks
from .attempts import RETRY
from .context import Context, Live
from .worktrees import Worktrees

log = logging.getLogger("praisonrun")
_BY_AGENT = (Failure.EXIT_NONZERO, Failure.AGENT_ERROR, Failure.NO_RESULT)
"""Ends that are the agent's own."""
LAST_LINES = 5
"""Lines of its log that the error of a failed service repeats."""
TROUBLE_RETRY = 30.0
"""Seconds between two tries after a fault of ours, which the log has."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Everything that the end of an attempt is judged by."""

    agent: Agent
    exit: Exit
    summary: Summary
    said: Verdict
    """What the agent says of its own end."""
    outputs: dict[str, Json] | None
    """The manifest of what the run left."""
    worktree: dict[str, Json] | None
    """What becomes of its worktree."""
    journal_end: int
    trouble: str | None
    """What the last look at a service found wrong; `tail` is the last lines of its log."""
    tail: str
    error_tail: str | None
    """What the agent of a failed attempt wrote last."""
    known: Conversation | None
    """What is known now of the conversation that it continues."""
    anew: bool
    """Whether its agent did not know that, so that the next attempt begins it anew."""

    def settle(self, run: Run, at: int) -> Run:
        """Return what becomes of the run."""
        outcome = _judge(run, self.agent, self.exit, self.said)
        outcome = explained(outcome, self.exit, self.agent.readiness, self.trouble, self.tail)
        stored = self.summary.stored() or run.summary  # where nothing was read, the row has what was used
        if self.outputs:
            stored = {**(stored or {}), "outputs": self.outputs}
        if self.worktree is not None:
            stored = {**(stored or {}), "worktree": self.worktree}
        keep, end = lifecycle.keeps_scratch(run, self.agent, outcome), self.journal_end
        words = self.error_tail if outcome.status is Status.FAILED else None
        return lifecycle.finish(
            run, self.exit, outcome, at, journal_end=end, summary=stored, keep=keep, tail=words,
            anew=self.anew, uncounted=self.summary.uncounted,
        )  # fmt: skip


def _judge(run: Run, agent: Agent, ended: Exit, said: Verdict) -> Outcome:
    structured = FORMATS[agent.format].structured
    return judge(run, ended, said, needs_result=structured, needs_answer=agent.truth.answer)


class Settlements:
    """Reads how attempts ended and stores what that means."""

    def __init__(self, context: Context, asks: Asks, worktrees: Worktrees) -> None:
        self._asks, self._worktrees = asks, worktrees
        self._store, self._files, self._now = context.store, context.files, context.now

    async def until_stored(self, live: Live, ended: Exit | None, trouble: str | None) -> Run | None:
        """Store what an end means, however long the store rejects it: nothing else can tell it any more.

        An agent that never ran, for which `ended` may be None, has its run go back to the queue. Returns the
        run as stored, None when its row is gone.
        """
        while True:
            try:
                at = self._now()
                self._store.check()  # before anything is read: a directory that was moved has no journals
                if ended is not None:
                    await self._asks.finish(live, ended)
                if ended is None:
                    decide = partial(lifecycle.unclaim, at=at)
                elif ended.reason == "not_started" and lifecycle.may_start(live.run, at):
                    decide = partial(lifecycle.unclaim, at=at, trouble=ended.error or "not started")
                else:
                    settlement = await self._read(live, ended, trouble)
                    decide = partial(settlement.settle, at=at)
                    return await self._store.settle(live.run.id, decide, settlement.known)
                return await self._store.change(live.run.id, decide)
            except (DiskFull, Unavailable, OSError) as rejected:
                log.warning("run %s has ended but the store rejected it: %s", live.run.id, rejected)
                await anyio.sleep(RETRY)
            except NotFound:
                return None
            except Exception:  # one run's end must not take the server down, now and at every start
                log.exception("run %s has ended but cannot be settled; trying again", live.run.id)
                await anyio.sleep(TROUBLE_RETRY)

    async def _read(self, live: Live, ended: Exit, trouble: str | None) -> Settlement:
        """Return what an attempt's end is judged by; of most runs nothing has to be read."""
        run, agent, outputs, tail = live.run, live.agent, None, None
        structured = FORMATS[agent.format].structured
        # Earlier attempts may have said something, too.
        earlier = run.attempt > 1 or run.conversation is not None
        says = structured or ended.events or ended.reason == "lost" or earlier
        summary = await live.progress.whole() if says and live.progress else Summary()
        said = summary.verdict
        if agent.truth.asks_output and not structured:
            said = await asyncio.to_thread(self._printed, run, agent, said)
        outcome = _judge(run, agent, ended, said)
        known, anew = None, False
        if run.conversation is not None:
            before = await self._store.conversation(run.conversation)  # while a run is live, nobody else's
            lost = names_one(agent, before) and await self._lost(run, agent, outcome)
            known = after(run, before, summary.session, lost=lost)
            anew = lost and known != before
        again, worktree = anew or lifecycle.retriable(run, outcome, summary.uncounted), None
        if (agent.outputs or ended.result) and not again:
            place = await self._worktrees.place(run, agent)
            outputs = await asyncio.to_thread(self._manifest, run, agent, ended, place)
        if not again:  # after the outputs, which may be in it
            worktree = await self._worktrees.keep(run, ended.ended_at or run.started_at or 0)
        if run.mode is Mode.SERVICE:
            tail = await asyncio.to_thread(self._files.read, run.id, partial(last_words, lines=LAST_LINES))
        end = ended.end or (await asyncio.to_thread(self._files.tail, run.id)).end
        words = None
        if outcome.status is Status.FAILED:
            look_back = partial(error_tail, structured=structured)
            words = await asyncio.to_thread(self._files.read, run.id, look_back)
        return Settlement(
            agent, ended, summary, said, outputs, worktree, end, trouble, tail or "", words, known, anew
        )

    async def _lost(self, run: Run, agent: Agent, outcome: Outcome) -> bool:
        """Say whether an attempt failed because its agent does not know its conversation."""
        if agent.session is None or not agent.session.unknown or outcome.failure not in _BY_AGENT:
            return False
        look = partial(
            knew_nothing, format_name=agent.format, pattern=agent.session.unknown, error=outcome.error or ""
        )
        return bool(await asyncio.to_thread(self._files.read, run.id, look))

    def _printed(self, run: Run, agent: Agent, said: Verdict) -> Verdict:
        return self._files.read(run.id, partial(printed_verdict, truth=agent.truth)) or said

    def _manifest(self, run: Run, agent: Agent, ended: Exit, place: str) -> dict[str, Json] | None:
        if ended.result:
            answer = self._files.read(run.id, partial(result, agent=agent))
            if answer and (left := own_manifest(answer.value)) is not None:
                return left
        artifacts, since = self._files.folder(run.id) / "artifacts", run.started_at or 0
        return manifest(agent.outputs, artifacts, Path(place), since) if agent.outputs else None
