"""What clients do, and what they must be told."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from praisonrun.core.errors import KeyReused, PraisonrunError, QueueFull, WrongState
from praisonrun.core.model import Mode, Status
from praisonrun.engine.engine import Submit
from praisonrun.store import ALL, Find, Key

from .engine_base import AGENTS, ANY, CRASH, SERVICES, Base, Viewer
from .engine_checks import Row
from .engine_world import QUEUE
from .fake_shims import SECRET
from .fired import counted, fired

TOO_LONG = 1.5
"""Seconds of a removal for which a restart may not want to wait."""


class Clients(Base):
    """The rules of clients."""

    # What clients do.

    @precondition(lambda self: self.world.up)
    @rule(
        agent=AGENTS, count=st.sampled_from([1, 1, 1, 2, 4]), priority=st.sampled_from([None, None, 0, 5, 9]),
        retries=st.sampled_from([None, 0, 1]), held=st.sampled_from([False] * 5 + [True]), hook=st.booleans(),
        session=st.sampled_from([None, "s1", "s2"]), at_an_end=st.none() | st.integers(0, 12), crash=CRASH,
    )  # fmt: skip
    @counted
    def submit(
        self,
        /,
        agent: str,
        count: int,
        hook: bool,
        session: str | None,
        at_an_end: int | None,
        crash: int | None,
        **more: Any,
    ) -> None:
        """Submit some at once; `at_an_end`, so many turns after an agent ends and its slot becomes free."""
        asks = [self._ask(agent, hook, session_id=session, **more) for _ in range(count)]
        if at_an_end is not None and self.world.shims.alive():
            self._shim(0).end("exited", 0)
        room = QUEUE - sum(row.status == "queued" for row in self.checks.rows.values())
        works = [self._submit(ask, turns=at_an_end or 0) for ask in asks]
        answers = self._do(self._all(works), crash)
        for ask, answer in zip(asks, answers or [None] * count, strict=True):
            assert ask.id is not None
            if answer is None:
                self.told.unsure.add(ask.id)
            elif isinstance(answer, QueueFull):
                fired("the queue was full")
                assert room < count, "the queue was not full"
            elif not self._excused(answer):
                assert not isinstance(answer, Exception), answer
                self.told.sure.add(ask.id)

    @precondition(lambda self: self.world.up)
    @rule(
        name=st.sampled_from("abc"),
        payload=st.sampled_from("xxxy"),
        count=st.sampled_from([1, 2]),
        crash=CRASH,
    )
    @counted
    def submit_with_key(self, name: str, payload: str, count: int, crash: int | None) -> None:
        asks = [self._ask("plain", hook=False) for _ in range(count)]
        key = Key("all", name, {"prompt": payload})
        answers = self._do(self._all([self._submit(ask, key) for ask in asks]), crash)
        for ask, answer in zip(asks, answers or [None] * count, strict=True):
            self._answered(ask, answer, name, payload)

    def _answered(self, ask: Submit, answer: Any, name: str, payload: str) -> None:
        """The first has the key; who comes after it gets its run, or is refused for another payload."""
        assert ask.id is not None
        if answer is None:
            self.told.unsure.add(ask.id)
            if row := self.checks.rows.get(ask.id):
                self.told.keys[name] = (payload, row.id)
        elif isinstance(answer, KeyReused):
            fired("a key was reused")
            assert self.told.keys[name][0] != payload
        elif isinstance(answer, QueueFull):
            assert name not in self.told.keys
        elif not self._excused(answer):
            shown, replayed = answer
            if replayed:
                fired("a key was replayed")
                assert self.told.keys[name] == (payload, shown.run.id)
            else:
                assert shown.run.id == ask.id
                assert name not in self.told.keys
                self.told.keys[name] = (payload, ask.id)
            self.told.sure.add(shown.run.id)

    @precondition(lambda self: self.world.up and self.checks.rows)
    @rule(which=ANY, count=st.sampled_from([1, 2, 3]), crash=CRASH)
    @counted
    def submit_children(self, which: int, count: int, crash: int | None) -> None:
        parent = self._pick(which, self._lively(which))
        asks = [self._ask("again", hook=True, parent=parent.id) for _ in range(count)]
        answers = self._do(self._all(map(self._submit, asks)), crash)
        for ask, answer in zip(asks, answers or [None] * count, strict=True):
            assert ask.id is not None
            if answer is None:
                self.told.unsure.add(ask.id)
            elif isinstance(answer, WrongState):
                fired("a parent was cancelled")
                assert parent.cancel_requested_at is not None
            elif not isinstance(answer, QueueFull) and not self._excused(answer):
                assert parent.cancel_requested_at is None
                assert answer[0].run.root == (parent.root or parent.id)
                self.told.sure.add(ask.id)

    @precondition(lambda self: self.world.up and self.checks.rows)
    @rule(which=ANY, wait=st.booleans(), ended=st.none() | st.integers(0, 8), crash=CRASH)
    @counted
    def cancel(self, which: int, wait: bool, ended: int | None, crash: int | None) -> None:
        """Cancel a run; its agent ends by itself so many turns later."""
        top = self._pick(which, self._lively(which))
        live = {row.id for row in self._tree(top) if not row.final}
        self.told.asked |= live
        works = [self._cancel(top.id, wait=wait)]
        if ended is not None:
            works.append(self._end_after(top, ended))
        answer = (self._do(self._all(works), crash) or [None])[0]
        if isinstance(answer, WrongState):
            assert top.final or ended is not None
        elif answer is not None and not self._excused(answer):
            assert not top.final
            self.told.cancelled |= live

    @precondition(lambda self: self.world.up and self.checks.rows)
    @rule(which=ANY, what=st.sampled_from(["delete", "retry", "release"]), crash=CRASH)
    @counted
    def manage(self, which: int, what: str, crash: int | None) -> None:
        """Do something with a run that it can be done with, or delete any."""
        fit = {
            "retry": self._finals(),
            "release": [row for row in self.checks.rows.values() if row.held],
        }.get(what) or list(self.checks.rows.values())
        row = self._pick(which, fit)
        match what if fit else "delete":
            case "retry":
                self._retry(row)
            case "release":
                self._release(row, crash)
            case _:
                self._delete(row, crash)

    def _delete(self, row: Row, crash: int | None) -> None:
        if row.final:
            self.told.gone.add(row.id)
        answer = self._do(self._told_no(self.world.serving.delete(row.id)), crash)
        if self._excused(answer) or (answer is None and row.final):
            self.told.torn.add(row.id)  # its files go before its row
        elif answer is not None and not self._lingers(row, answer):
            assert isinstance(answer, WrongState) != row.final
            assert (row.id in self.checks.rows) != row.final
            if row.final:
                fired("a run was deleted")

    def _lingers(self, row: Row, answer: Any) -> bool:
        """Say whether a final run was still live, because its scratch was being removed."""
        return isinstance(answer, WrongState) and row.id in self.world.disk.clearing

    def _retry(self, row: Row) -> None:
        envs = {SECRET: "s"} if row.agent == "needy" else {}
        shown = self._do(self._told_no(self.world.serving.retry(row.id, envs)))
        if isinstance(shown, PraisonrunError):
            assert (
                isinstance(shown, QueueFull) or not row.final or row.mode == "service" or self._excused(shown)
            )
        else:
            fired("a run was retried")
            made, _ = shown
            self.checks.envs[made.run.id] = self.world.starts
            self.told.sure.add(made.run.id)

    def _release(self, row: Row, crash: int | None) -> None:
        answer = self._do(self._told_no(self.world.serving.release(row.id, "now")), crash)
        if row.status != "queued" or not row.held:
            assert isinstance(answer, PraisonrunError | None)
        elif answer is not None and row.agent != "needy" and not self._excused(answer):
            fired("a run was released")
            assert not self.checks.rows[row.id].held

    @precondition(lambda self: self.world.up)
    @rule(
        agent=st.sampled_from([None, "plain", "again"]), what=st.sampled_from(["pause", "resume", "resume"]),
        crash=CRASH,
    )  # fmt: skip
    @counted
    def queue(self, agent: str | None, what: str, crash: int | None) -> None:
        """Pause or resume an agent, or all."""
        queue, name = self.world.serving.queue, agent or ALL
        work = queue.pause(agent) if what == "pause" else queue.resume(agent)
        answer = self._do(self._told_no(work), crash)
        paused = self.checks.paused
        if isinstance(answer, WrongState):
            fired("a resume was rejected")
            assert (what, name in paused, ALL in paused) == ("resume", False, True)
        elif answer is not None and not self._excused(answer):
            assert answer is True, answer
            assert (name in paused) == (what == "pause")
            assert agent or what == "pause" or not paused

    @precondition(lambda self: self.world.up)
    @rule(agent=SERVICES, crash=CRASH)
    @counted
    def serve(self, agent: str, crash: int | None) -> None:
        ask = self._ask(agent, hook=False, mode=Mode.SERVICE)
        (answer,) = self._do(self._all([self._submit(ask)]), crash) or [None]
        assert ask.id is not None
        if not self._excused(answer):
            assert not isinstance(answer, Exception), answer
            (self.told.unsure if answer is None else self.told.sure).add(ask.id)

    @precondition(lambda self: self.world.up and self._services())
    @rule(
        which=ANY, count=st.sampled_from([1, 1, 2]), at_an_end=st.none() | st.integers(0, 12), crash=CRASH
    )  # fmt: skip
    @counted
    def restart(self, which: int, count: int, at_an_end: int | None, crash: int | None) -> None:
        """Restart a service; `at_an_end`, so many turns after it ended by itself."""
        row = self._pick(which, self._services())
        self.told.asked |= {below.id for below in self._tree(row)}
        if at_an_end is not None:
            self._end(row)
        answers = self._do(self._all(self._restart(row.id, at_an_end or 0) for _ in range(count)), crash)
        for answer in answers or []:
            if isinstance(answer, Exception):
                self._rejected_restart(row, answer, count)
            else:
                fired("a service was restarted")

    async def _restart(self, run_id: str, turns: int) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        if run_id in self.world.disk.clearing:
            fired("a restart came while scratch was removed")
        return await self.world.serving.restart(run_id, {})

    def _rejected_restart(self, row: Row, answer: Exception, count: int) -> None:
        """Another restart goes on, or the service before it did not end in time."""
        shims, disk = self.world.shims, self.world.disk
        hindered = shims.slow != "no" or shims.deaf or disk.removing >= TOO_LONG or row.id in disk.clearing
        if not self._excused(answer):
            fired("a restart was rejected")
            assert isinstance(answer, WrongState), answer
            assert hindered or count > 1 or disk.failures > self._failures, answer

    async def _cancel(self, run_id: str, *, wait: bool) -> Any:
        return await self._told_no(self.world.serving.cancel(run_id, wait=wait))

    async def _end_after(self, row: Row, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        self._end(row)

    def _end(self, row: Row) -> None:
        for shim in self.world.shims.alive():
            if shim.spec["run_id"] == row.id:
                shim.end("exited", 0)

    def _services(self) -> list[Row]:
        return [row for row in self.checks.rows.values() if row.mode == "service"]

    @precondition(lambda self: self.world.up and self.checks.rows)
    @rule(which=ANY)
    @counted
    def watch(self, which: int) -> None:
        viewer = Viewer(self._pick(which).id)
        self.viewers.append(viewer)
        viewer.task = self.world.spawn(self._follow(viewer))

    @precondition(lambda self: self.world.up)
    @rule(
        status=st.none() | st.sampled_from(Status), agent=st.none() | AGENTS,
        session=st.none() | st.just("s1"), size=st.integers(1, 7),
        mode=st.none() | st.sampled_from(Mode),
    )  # fmt: skip
    @counted
    def look(
        self, status: Status | None, agent: str | None, session: str | None, size: int, mode: Mode | None
    ) -> None:
        wanted = [
            row.id
            for row in sorted(self.checks.rows.values(), key=lambda row: -row.seq)
            if (status is None or row.status == status)
            and (agent is None or row.agent == agent)
            and (session is None or row.session_id == session)
            and (mode is None or row.mode == mode)
        ]
        found: list[str] = []
        after = None
        while True:
            find = Find(
                status=[status] if status else None,
                session_id=session,
                agent=agent,
                mode=mode,
                page_size=size,
                after_seq=after,
            )
            page = self._do(self._told_no(self.world.serving.find(find)))
            if self._excused(page):
                return
            shown, total = page
            assert total == len(wanted)
            if not shown:
                break
            found += [snapshot.run.id for snapshot in shown]
            after = shown[-1].run.seq
        assert found == wanted
        totals = self._do(self._told_no(self.world.serving.store.totals()))
        assert self._excused(totals) or totals == {
            s: sum(row.status == s for row in self.checks.rows.values()) for s in Status
        }
