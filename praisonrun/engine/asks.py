"""Questions of live runs: heard, kept until somebody answers or their time is over, and told to their agents.

The journal says what was asked, the store what became of it, and a file what the agent was told. Each step
is done again after a crash, and comes to the same. A question's time is measured by a steady clock while this
server lives: a wall clock that is set makes no answer come too late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import anyio

from ..core import clock
from ..core.errors import PraisonrunError, reason
from ..core.model import Exit
from ..core.notifier import ASKS, run_topic
from ..core.question import KINDS, Ask, BadAsk, Question, QuestionState
from ..files import answers
from ..journal.asks import Asked, asks_from
from ..journal.format import START
from ..store import Unsettled
from . import logged
from .asking import Asking
from .attempts import RETRY
from .context import Context, Live

log = logging.getLogger("praisonrun")
LOOK = 30.0
"""Seconds between two looks at open questions: a laptop's sleep stops the clock of a pause."""


class Asks:
    """All questions of one engine."""

    def __init__(
        self, context: Context, live: Mapping[str, Live], ticks: Callable[[], int] = clock.ticks
    ) -> None:
        self._store, self._files, self._notifier = context.store, context.files, context.notifier
        self._heard, self._live, self._now, self._ticks = context.viewers.asking, live, context.now, ticks

    async def serve(self) -> None:
        """Do what questions need, until cancelled."""
        while True:
            bell = self._notifier.bell(ASKS)
            pause = await self._turn()
            with anyio.move_on_after(pause):
                await bell.wait()

    async def _turn(self) -> float | None:
        """Do what is due; return the seconds until more is, None when a bell will tell."""
        well = True
        for run_id in list(self._heard):
            self._heard.discard(run_id)  # before it is read: what is asked meanwhile rings again
            if (live := self._live.get(run_id)) is not None and not await self._try(live, self.read(live)):
                self._heard.add(run_id)
                well = False
        well &= await self._try(None, self._expire())
        for live in self._asking():
            well &= not live.asks or not live.asks.untold or await self._try(live, self._tell(live))
        due = [at for live in self._asking() if live.asks for at in live.asks.due.values()]
        pause = min(max(0.0, (min(due) - self._ticks()) / 1e6), LOOK) if due else None
        return pause if well else min(RETRY, LOOK if pause is None else pause)

    async def _try(self, live: Live | None, work: Coroutine[Any, Any, None]) -> bool:
        """Do some work; return whether that went well. Trouble, told once, costs no other run its turn."""
        try:
            await work
        except (PraisonrunError, OSError) as trouble:
            why = reason(trouble) if isinstance(trouble, OSError) else trouble.message
            if live is None or live.asks is None or not live.asks.reported:
                log.warning("%s: its questions wait: %s", f"run {live.run.id}" if live else "all runs", why)
            if live is not None:
                self._of(live).reported = True
            return False
        except Exception:
            log.exception("looking after the questions of %s failed", live.run.id if live else "all runs")
            await anyio.sleep(RETRY)
            return False
        return True

    def _asking(self) -> list[Live]:
        return [live for live in self._live.values() if live.asks is not None]

    def _of(self, live: Live) -> Asking:
        if live.asks is None:
            live.asks = Asking(live.run.asks_read or START, known=live.run.asks_read is None)
        return live.asks

    async def finish(self, live: Live, ended: Exit) -> None:
        """Read the last of what an attempt asked that has ended. Raises Unavailable, DiskFull, OSError."""
        if live.agent.files and (ended.events or ended.reason == "lost"):
            await self.read(live)

    async def read(self, live: Live) -> None:
        """Store what a live run has asked since it was looked at last. Raises as `finish`."""
        asking = self._of(live)
        async with asking.turn:
            if not asking.known:
                self._take(asking, await self._store.unsettled(live.run.seq))
                asking.known = True
            more = True
            while more:
                look = partial(asks_from, offset=asking.read)
                asked = await asyncio.to_thread(self._files.read, live.run.id, look)
                if asked is None:
                    return
                await self._keep(live, asking, asked)
                asking.read, more = asked.end, asked.more

    async def _keep(self, live: Live, asking: Asking, asked: Asked) -> None:
        at = self._now()
        found = [made for each, time in asked.found if (made := _question(each, min(time, at))) is not None]
        needs = await self._store.ask(live.run, found, asked.end, at) if found else None
        if needs is not None:
            live.run = live.run._replace(asks_read=asked.end)
            self._take(asking, needs)
            self._changed(live, at)
            logged.step(live.run, "asks %d questions", len(found))

    def _take(self, asking: Asking, needs: Unsettled) -> None:
        now, ticks = self._now(), self._ticks()
        asking.due |= {ask_id: ticks + max(0, at - now) for ask_id, at in needs.open.items()}
        asking.untold |= dict.fromkeys(needs.untold)

    async def _expire(self) -> None:
        """Settle what nobody answered in time."""
        now, at = self._ticks(), self._now()
        due = {
            (live.run.seq, ask_id): live
            for live in self._asking()
            for ask_id, until in (live.asks.due if live.asks else {}).items()
            if until <= now
        }
        expired = await self._store.expire(list(due), at) if due else set()
        for (seq, ask_id), live in due.items():
            self._settled(live, ask_id, at, untold=(seq, ask_id) in expired)

    async def answer(self, run_id: str, ask_id: str, given: str) -> Question:
        """Answer a question once; the same answer again is no error. Returns the question.

        Raises NotFound, WrongState for another answer and for one that is too late, Gone once its attempt has
        ended, Invalid for what is none of the options.
        """
        with anyio.CancelScope(shield=True):  # what is stored must also be told
            at = self._now()
            question, fresh = await self._store.answer(run_id, ask_id, given, at)
            live = self._live.get(run_id)
            if fresh and live is not None:
                self._settled(live, ask_id, at, untold=True)
        self._notifier.ring(ASKS)
        return question

    def _settled(self, live: Live, ask_id: str, at: int, *, untold: bool) -> None:
        asking = self._of(live)
        asking.due.pop(ask_id, None)
        if untold:
            asking.untold[ask_id] = None
            self._changed(live, at)

    def _changed(self, live: Live, at: int) -> None:
        live.run = live.run._replace(updated_at=max(live.run.updated_at, at))
        self._notifier.ring(run_topic(live.run.id))

    async def _tell(self, live: Live) -> None:
        """Let an agent read what became of its questions."""
        asking, seq, folder = self._of(live), live.run.seq, str(self._files.folder(live.run.id))
        while ids := list(asking.untold)[: answers.MOST]:
            replies = [each.reply for each in await self._store.settled_questions(seq, ids)]
            try:
                await asyncio.to_thread(answers.append, folder, replies)
            except FileNotFoundError:  # the next attempt makes it, and asks again
                return
            await self._store.note_delivered(seq, ids)
            for ask_id in ids:
                asking.untold.pop(ask_id, None)


def _question(asked: Ask | BadAsk, at: int) -> Question | None:
    """Return a question as it is stored: one beyond a limit is expired; None if nobody could be told."""
    if isinstance(asked, BadAsk):
        if asked.id is None:
            return None
        return Question(asked.id, f"rejected: {asked}", (), None, KINDS[0], at, at, QuestionState.EXPIRED)
    due = at + round(asked.timeout * 1e6)
    return Question(asked.id, asked.question, asked.options, asked.default, asked.kind, at, due)
