"""The worker over a real store and real receivers: retries, dead letters, replays, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from praisonrun.core import lifecycle
from praisonrun.core.delivery import Delivery, DeliveryState, Reach, Reply
from praisonrun.core.errors import DiskFull, NotFound
from praisonrun.core.model import Run
from praisonrun.core.notifier import DELIVERIES, Notifier
from praisonrun.store import DeliveryLog, Outbox, Store
from praisonrun.webhooks import Own, Sender, Signer, Webhooks
from praisonrun.webhooks.schedule import SCHEDULE

from ..rigs import zoo
from ..rigs.zoo import Behave, Closed, Receiver

AT = 1_790_000_000_000_000
SHORT = (0.0, 0.0, 0.0)
"""A schedule that does not wait."""


@dataclass
class Rig:
    """A store, a worker over it, and a clock that stands still unless moved."""

    store: Store
    bells: Notifier = field(default_factory=Notifier)
    now: int = AT
    runs: int = 0
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    """Every attempt, in the order of their ends: the delivery's url and what it came to."""
    _recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def owe(self, url: str, reach: Reach = Reach.LOOPBACK) -> str:
        """Let a run become final that owes a webhook, and return its id."""
        self.runs += 1
        run = Run(f"run_{self.runs}", "a", "v", AT, AT, AT, webhook_url=url, webhook_reach=reach)
        await self.store.add(run, key=None, queue_limit=1 << 30)
        await self.store.change(run.id, lambda run: lifecycle.cancel(run, self.now))
        self.bells.ring(DELIVERIES)
        return run.id

    async def log(self, run_id: str) -> DeliveryLog:
        [found] = await self.store.outbox.of_run(run_id)
        return found

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        """Wait, by the worker's own records, until something is so."""
        with anyio.fail_after(zoo.PATIENCE):
            while True:
                recorded = self._recorded
                if await met():
                    return
                await recorded.wait()

    async def until_state(self, run_id: str, state: DeliveryState) -> DeliveryLog:
        async def met() -> bool:
            return (await self.log(run_id)).delivery.state is state

        await self.until(met)
        return await self.log(run_id)

    async def until_attempts(self, run_id: str, count: int) -> DeliveryLog:
        async def met() -> bool:
            return len((await self.log(run_id)).attempts) >= count

        await self.until(met)
        return await self.log(run_id)

    @asynccontextmanager
    async def worker(
        self, plan: Sequence[float] = SCHEDULE, total: float = 20.0, wrap: Any = None, **options: Any
    ) -> AsyncIterator[Webhooks]:
        """Run a worker inside this block, killed at its end."""
        sender = Sender(Signer(), Own(), lambda: self.now, total=total, **options)
        outbox = self.store.outbox if wrap is None else wrap(self.store.outbox)
        made = Webhooks(
            cast("Outbox", _Loud(outbox, self)),
            self.bells,
            sender,
            lambda: self.now,
            chance=lambda: 0.5,
            plan=plan,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.serve, compose)
            yield made
            tasks.cancel_scope.cancel()


class _Loud:
    """An outbox that says when an attempt was recorded."""

    def __init__(self, outbox: Any, rig: Rig) -> None:
        self._outbox, self._rig = outbox, rig

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    async def record(self, delivery: str, reply: Reply, decide: Callable[[Delivery], Delivery]) -> Delivery:
        after: Delivery = await self._outbox.record(delivery, reply, decide)
        self._rig.replies.append((after.url, reply))
        self._rig._recorded.set()
        self._rig._recorded = asyncio.Event()
        return after


async def compose(delivery: Delivery) -> bytes:
    return json.dumps({"job_id": delivery.run_id}).encode()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Store.open(tmp_path) as store:
        yield Rig(store)


async def test_what_is_owed_is_sent_once_and_recorded(rig: Rig) -> None:
    with Receiver(zoo.answer(200, "", b"thanks")) as receiver:
        before = await rig.owe(receiver.url)
        async with rig.worker():
            after = await rig.owe(receiver.url)
            for run_id in (before, after):
                log = await rig.until_state(run_id, DeliveryState.DELIVERED)
                [reply] = log.attempts
                assert (log.delivery.attempts, log.delivery.delivered_at) == (1, AT)
                assert (reply.at, reply.status, reply.error, reply.text) == (AT, 200, None, "thanks")
        assert {json.loads(got.body)["job_id"] for got in receiver.got} == {before, after}
        assert len(receiver.got) == 2


async def test_a_failure_is_due_again_when_the_schedule_says(rig: Rig) -> None:
    with Receiver(zoo.answer(500, times=2)) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker():
            log = await rig.until_attempts(run_id, 1)
            assert (log.delivery.state, log.delivery.due_at) == (DeliveryState.PENDING, AT + 5_000_000)
            rig.now = AT + 4_999_999
            rig.bells.ring(DELIVERIES)
            await rig.owe(receiver.url + "?other")
            await rig.until_attempts("run_2", 1)
            assert len((await rig.log(run_id)).attempts) == 1  # not due yet
            rig.now = AT + 5_000_000
            rig.bells.ring(DELIVERIES)
            log = await rig.until_state(run_id, DeliveryState.DELIVERED)
            assert [reply.status for reply in log.attempts] == [500, 200]
        ids = [got.headers["webhook-id"] for got in receiver.got if "other" not in got.head]
        assert ids == [log.delivery.id] * 2
        stamps = [got.headers["webhook-timestamp"] for got in receiver.got if "other" not in got.head]
        assert stamps == [str(AT // 1_000_000), str(AT // 1_000_000 + 5)]


async def test_what_was_missed_while_nobody_was_here_is_due_at_once(rig: Rig) -> None:
    with Receiver(zoo.answer(500, times=30)) as receiver:
        runs = [await rig.owe(receiver.url) for _ in range(30)]
        async with rig.worker():
            for run_id in runs:
                await rig.until_attempts(run_id, 1)
        rig.now += 3 * 86400 * 1_000_000
        async with rig.worker():
            for run_id in runs:
                await rig.until_state(run_id, DeliveryState.DELIVERED)


async def test_after_the_schedule_a_dead_letter_that_can_be_replayed(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with Receiver(zoo.answer(500, times=4)) as receiver:
        run_id = await rig.owe(receiver.url + "?token=c4n4ry")
        async with rig.worker(SHORT) as webhooks:
            log = await rig.until_state(run_id, DeliveryState.DEAD)
            assert (log.delivery.attempts, len(receiver.got)) == (len(SHORT) + 1, 4)
            assert (
                f"http://127.0.0.1:{receiver.port} is given up after 4 attempts: answered 500" in caplog.text
            )
            assert "c4n4ry" not in caplog.text
            await webhooks.replay(run_id, log.delivery.id)
            log = await rig.until_state(run_id, DeliveryState.DELIVERED)
            assert (log.delivery.attempts, len(log.attempts)) == (1, 5)
            with pytest.raises(NotFound):
                await webhooks.replay("run_other", log.delivery.id)
            await webhooks.replay(run_id, log.delivery.id)  # a delivered one, too
            await rig.until_attempts(run_id, 6)
        assert {got.headers["webhook-id"] for got in receiver.got} == {log.delivery.id}


async def test_all_dead_letters_at_once(rig: Rig) -> None:
    with Receiver(zoo.answer(410, times=5)) as receiver, Receiver(zoo.answer()) as good:
        runs = [await rig.owe(receiver.url) for _ in range(5)]
        fine = await rig.owe(good.url)
        async with rig.worker() as webhooks:
            for run_id in runs:
                await rig.until_state(run_id, DeliveryState.DEAD)
            await rig.until_state(fine, DeliveryState.DELIVERED)
            dead, total = await webhooks.outbox.find(DeliveryState.DEAD, 2, 2)
            assert ([log.delivery.run_id for log in dead], total) == (["run_3", "run_2"], 5)
            assert [[reply.status for reply in log.attempts] for log in dead] == [[410], [410]]
            assert (await webhooks.outbox.find(None, 1, 100))[1] == 6
            assert await webhooks.replay_dead() == 5
            for run_id in runs:
                await rig.until_state(run_id, DeliveryState.DELIVERED)
            assert await webhooks.replay_dead() == 0
        assert len(good.got) == 1


BAD: list[Behave] = [
    zoo.hang,
    zoo.drip,
    zoo.drip_body,
    zoo.flood,
    zoo.bomb,
    zoo.endless_head,
    zoo.garbage,
    zoo.slam,
    zoo.answer(500),
    zoo.answer(301, "Location: http://127.0.0.1:1/\r\n"),
    zoo.answer(410),
    zoo.answer(429, "Retry-After: 100000\r\n"),
]


@pytest.mark.scorecard(20)
async def test_a_good_receiver_waits_for_none_of_the_zoo(rig: Rig) -> None:
    """Nothing but the good receiver's own answers is waited for: what hangs hangs until all is over."""
    zoos = [Receiver(behave) for behave in BAD] + [Receiver(zoo.answer(), tls=True)]
    with Closed() as closed, Receiver(zoo.answer()) as good:
        try:
            for _ in range(20):
                for url in [*(each.url for each in zoos), closed.url]:
                    await rig.owe(url)
            async with rig.worker(total=zoo.PATIENCE):
                runs = [await rig.owe(good.url) for _ in range(50)]
                for run_id in runs:
                    await rig.until_state(run_id, DeliveryState.DELIVERED)
                hung = [url for url, _ in rig.replies if url in (zoos[0].url, zoos[1].url)]
                assert hung == []  # they still hang, two attempts each at most
                assert all(len(each.got) <= 2 for each in zoos[:2])
        finally:
            for each in zoos:
                each.__exit__()


@pytest.mark.scorecard(20)
async def test_eight_that_hang_hold_the_first_turn_only(rig: Rig) -> None:
    """Once they failed, receivers that hang share half of the slots, however many they are."""
    zoos = [Receiver(zoo.hang) for _ in range(8)]
    try:
        with Receiver(zoo.answer()) as good:
            for _ in range(10):
                for each in zoos:
                    await rig.owe(each.url)
            async with rig.worker(total=0.3) as webhooks:
                for n in range(8):
                    await rig.until_attempts(f"run_{n + 1}", 1)
                webhooks._sender._total = zoo.PATIENCE  # from now on they hang for good
                runs = [await rig.owe(good.url) for _ in range(20)]
                for run_id in runs:
                    await rig.until_state(run_id, DeliveryState.DELIVERED)
    finally:
        for each in zoos:
            each.__exit__()


@pytest.mark.scorecard(20)
async def test_ten_thousand_rows_of_a_dead_receiver_starve_nobody(rig: Rig) -> None:
    with Receiver(zoo.hang) as dead, Receiver(zoo.answer()) as good:
        run_id = await rig.owe(dead.url)

        def many(db: sqlite3.Connection) -> None:
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
                "INSERT INTO deliveries (id, run_seq, url, receiver, type, due_at, created_at) "
                "SELECT 'm' || i, run_seq, url, receiver, type, 1, 1 FROM n, deliveries"
            )

        await rig.store._writer.run(many)
        assert len(await rig.store.outbox.of_run(run_id)) == 10_001
        async with rig.worker(total=zoo.PATIENCE):
            runs = [await rig.owe(good.url) for _ in range(20)]
            for run_id in runs:
                await rig.until_state(run_id, DeliveryState.DELIVERED)
        assert len(dead.got) <= 2


async def test_two_at_once_to_one_receiver_and_never_three(rig: Rig) -> None:
    pair, lock, inside = threading.Barrier(2, timeout=zoo.PATIENCE), threading.Lock(), [0, 0]

    def count(receiver: Receiver, connection: Any, got: zoo.Got) -> None:
        with lock:
            inside[0] += 1
            inside[1] = max(inside)
        pair.wait()
        with lock:
            inside[0] -= 1
        zoo.answer()(receiver, connection, got)

    with Receiver(count) as receiver:
        runs = [await rig.owe(receiver.url) for _ in range(20)]
        async with rig.worker():
            for run_id in runs:
                await rig.until_state(run_id, DeliveryState.DELIVERED)
    assert inside == [0, 2]


async def test_an_attempt_that_was_not_recorded_is_made_again_under_its_id(rig: Rig) -> None:
    """What a crash between the answer and the record leaves behind."""

    class Crashes:
        def __init__(self, outbox: Any) -> None:
            self._outbox = outbox

        def __getattr__(self, name: str) -> Any:
            return getattr(self._outbox, name)

        async def record(self, *_: object) -> Delivery:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    reached = asyncio.Event()
    with Receiver(zoo.answer()) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker(wrap=Crashes):
            await reached.wait()
        assert (await rig.log(run_id)).attempts == []
        async with rig.worker():
            await rig.until_state(run_id, DeliveryState.DELIVERED)
        assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
        assert len(receiver.got) == 2


async def test_a_store_that_refuses_a_record_does_not_make_more_attempts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praisonrun.webhooks.worker.STORE_RETRY", 0.0)

    class Full:
        def __init__(self, outbox: Any) -> None:
            self._outbox, self.refused = outbox, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._outbox, name)

        async def due(self, at: int, each: int) -> Any:
            self.refused += 1
            if self.refused == 1:
                raise DiskFull("no space")
            return await self._outbox.due(at, each)

        async def record(self, *given: Any) -> Any:
            self.refused += 1
            if self.refused < 10:
                raise DiskFull("no space")
            return await self._outbox.record(*given)

    with Receiver(zoo.answer()) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker(wrap=Full):
            await rig.until_state(run_id, DeliveryState.DELIVERED)
        assert len(receiver.got) == 1


async def test_a_body_that_cannot_be_made_is_a_failure_and_a_run_that_is_gone_is_none(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(delivery: Delivery) -> bytes:
        if delivery.run_id == "run_1":
            raise OSError("the journal is gone")
        await rig.store.delete(delivery.run_id)
        raise NotFound("gone")

    monkeypatch.setattr("tests.webhooks.test_worker.compose", broken)
    with Receiver(zoo.answer()) as receiver:
        await rig.owe(receiver.url)
        await rig.owe(receiver.url)
        async with rig.worker():
            log = await rig.until_attempts("run_1", 1)
        assert log.attempts[0].error == "internal error, see the server's log"
        assert "the journal is gone" in caplog.text
        assert receiver.got == []


async def test_an_old_reading_of_the_outbox_starts_nothing_twice(rig: Rig) -> None:
    """A delivery that ends while the outbox is being read is still pending in what was read."""

    class Slow:
        def __init__(self, outbox: Any) -> None:
            self._outbox = outbox

        def __getattr__(self, name: str) -> Any:
            return getattr(self._outbox, name)

        async def due(self, at: int, each: int) -> Any:
            found = await self._outbox.due(at, each)
            if found and len(receiver.got) == 1 and not rig.replies:
                reading.set()
                await rig.until_state(found[0].run_id, DeliveryState.DELIVERED)
            return found

    def waits(receiver: Receiver, connection: Any, got: zoo.Got) -> None:
        asyncio.run_coroutine_threadsafe(reading.wait(), loop).result(zoo.PATIENCE)
        zoo.answer()(receiver, connection, got)

    loop, reading = asyncio.get_running_loop(), asyncio.Event()
    with Receiver(waits) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker(wrap=Slow):
            await anyio.to_thread.run_sync(receiver.next)
            rig.bells.ring(DELIVERIES)
            await rig.until_state(run_id, DeliveryState.DELIVERED)
            other = await rig.owe(receiver.url)
            await rig.until_state(other, DeliveryState.DELIVERED)
        assert len(receiver.got) == 2


async def test_the_worker_looks_at_the_clock_now_and_then(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that slept: its timers did not run, so nothing rings."""
    monkeypatch.setattr("praisonrun.webhooks.worker.NAP", 0.01)
    with Receiver(zoo.answer(500, times=1)) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker():
            await rig.until_attempts(run_id, 1)
            rig.now += 8 * 3600 * 1_000_000
            await rig.until_state(run_id, DeliveryState.DELIVERED)


async def test_a_run_of_which_somebody_is_still_to_be_told_is_not_pruned(rig: Rig) -> None:
    with Receiver(zoo.answer(410)) as gone, Closed() as closed:
        owing = await rig.owe(closed.url)
        told = await rig.owe(gone.url)
        assert await rig.store.oldest(0, 10) == []
        async with rig.worker():
            await rig.until_state(told, DeliveryState.DEAD)
            await rig.until_attempts(owing, 1)
        assert [run.id for run in await rig.store.oldest(0, 10)] == [told]


@pytest.mark.scorecard(4)
@pytest.mark.parametrize("back", [3600 * 10**6, 86_400 * 10**6, 40 * 86_400 * 10**6])
async def test_a_clock_set_back_delays_no_delivery_longer_than_its_pause(rig: Rig, back: int) -> None:
    with Receiver(zoo.answer(500, times=1)) as receiver:
        run_id = await rig.owe(receiver.url)
        async with rig.worker():
            await rig.until_attempts(run_id, 1)
            rig.now -= back
            fresh = await rig.owe(receiver.url + "?fresh")
            await rig.until_state(fresh, DeliveryState.DELIVERED)
            assert (await rig.log(run_id)).delivery.due_at == rig.now + 5_000_000
            rig.now += 5_000_000
            rig.bells.ring(DELIVERIES)
            log = await rig.until_state(run_id, DeliveryState.DELIVERED)
    assert (log.delivery.delivered_at or 0) >= log.delivery.created_at


@pytest.mark.parametrize("back", [0, 86_400 * 10**6])
async def test_a_clock_set_back_while_no_server_runs_delays_no_delivery(rig: Rig, back: int) -> None:
    with Receiver(zoo.answer(200)) as receiver:
        run_id = await rig.owe(receiver.url)
        rig.now -= back
        async with rig.worker():
            await rig.until_state(run_id, DeliveryState.DELIVERED)
