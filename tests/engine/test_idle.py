"""A server is idle while nothing lives, waits, is held, owed, open or asked: only then does its time pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from praisonrun.core.delivery import Reach
from praisonrun.engine.engine import Engine
from praisonrun.engine.idle import Idle

from ..rigs.harness import Engines, pid_of, ran, submit

pytestmark = pytest.mark.anyio
SECONDS = 600


class House:
    """An engine whose time passes only when a test says so."""

    def __init__(self, engine: Engine) -> None:
        self.at = 0.0
        self.asked = 0
        self.open: set[asyncio.Task[None]] = set()
        self._idle = Idle(engine, SECONDS, lambda: self.at)

    async def over(self, seconds: float) -> bool:
        """Say whether the time is over after some seconds more."""
        self.at += seconds
        return await self._idle.over(self.asked, self.open)


@pytest.fixture
async def house(engine: Engine) -> House:
    made = House(engine)
    while not await made.over(SECONDS):
        pass
    await engine.store.forget_scratches([])  # after what an engine writes when it starts, webhooks too
    made.asked += 1
    assert not await made.over(0)
    return made


async def test_the_time_passes_while_there_is_nothing(house: House) -> None:
    assert not await house.over(SECONDS - 1)
    assert await house.over(1)


async def test_a_live_run_and_its_end_begin_it_anew(house: House, engine: Engine) -> None:
    run_id = await submit(engine, "wait")
    await pid_of(engine, run_id)
    assert not await house.over(2 * SECONDS)
    assert not await house.over(2 * SECONDS)
    await engine.cancel(run_id)
    assert not await house.over(2 * SECONDS)
    assert not await house.over(SECONDS - 1)
    assert await house.over(1)


@pytest.mark.parametrize("what", ["queued", "owed"])
async def test_what_only_the_store_knows_counts_too(what: str, engines: Engines) -> None:
    async with engines(webhook_secret_file=None) as engine:
        if what == "owed":
            # Its receiver does not answer, so it is tried again for days.
            await ran(engine, "quick", webhook_url="http://127.0.0.1:9/", webhook_reach=Reach.LOOPBACK)
        else:
            await engine.queue.pause(None)
            waits = await submit(engine, "quick")
        house = House(engine)
        assert not await house.over(0)
        assert not await house.over(2 * SECONDS)
        assert not await house.over(2 * SECONDS)
        if what == "queued":
            await engine.cancel(waits)
            assert not await house.over(SECONDS)
            assert await house.over(SECONDS)


async def test_an_open_stream_counts_and_whatever_is_asked(house: House) -> None:
    house.asked += 1
    assert not await house.over(2 * SECONDS)
    stream: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
    house.open.add(stream)
    assert not await house.over(1)
    assert not await house.over(2 * SECONDS)
    house.open.clear()
    assert not await house.over(SECONDS - 1)
    house.open.add(stream)  # it came this moment
    assert not await house.over(1)
    house.open.clear()
    assert await house.over(1)


@pytest.mark.parametrize("race", ["asked", "started"])
async def test_what_begins_while_the_store_is_asked_is_not_left_alone(
    race: str, house: House, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: Callable[..., object] = engine.store.totals

    async def slowly() -> object:
        found = await totals()  # type: ignore[misc]
        if race == "asked":
            house.open.add(asyncio.create_task(asyncio.sleep(0)))
        else:
            await submit(engine, "quick")
        return found

    monkeypatch.setattr(engine.store, "totals", slowly)
    assert not await house.over(2 * SECONDS)
