"""The counters of what ended: moved with each end, by hour and agent, and not by anything else."""

from __future__ import annotations

import asyncio

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.model import Exit, Failure, Mode, Outcome, Run, Status
from praisonrun.core.usage import Used
from praisonrun.store import HOUR, Activity, Ended, Store, usage
from praisonrun.store.activity import AGENTS

from .test_store import ended, run

START = 1000 * HOUR


async def end(
    store: Store,
    name: str,
    at: int,
    status: Status = Status.SUCCEEDED,
    used: Used | None = None,
    **more: object,
) -> Run:
    """Store a run and end it."""
    new = run(name, created_at=at, updated_at=at, **more)
    born = lifecycle.claim(new, at, "boot", "0" * 16)
    added = await store.add(born, key=None, queue_limit=9)
    return await store.change(
        added.run.id, lambda row: ended(row, at, status)._replace(**(used or Used())._asdict())
    )


async def test_each_end_counts_once_in_its_hour(store: Store) -> None:
    await end(store, "a", START)
    await end(store, "b", START + HOUR - 1, Status.FAILED)
    await end(store, "c", START + HOUR, agent="other")
    await end(store, "d", START + 2 * HOUR)
    queued = await store.add(run("e", created_at=START, updated_at=START), key=None, queue_limit=9)
    await store.change(queued.run.id, lambda row: lifecycle.cancel(row, START + HOUR))
    found = await store.activity(START, START + HOUR)
    assert found.hours == {START: Ended(2, 1, 0), START + HOUR: Ended(2, 0, 1)}
    assert list(found.agents.items()) == [("hello", Ended(3, 1, 1)), ("other", Ended(1, 0, 0))]
    assert await store.activity(START, START + HOUR, "other") == Activity(
        {START + HOUR: Ended(1)}, {"other": Ended(1)}
    )
    await store.delete("a")
    assert await store.activity(START, START + HOUR) == found
    await store.forget_activity(START + 1)
    assert (await store.activity(0, START + 9 * HOUR)).hours.keys() == {START + HOUR, START + 2 * HOUR}


async def test_an_attempt_is_no_end_and_a_service_ends_each_time(store: Store) -> None:
    born = lifecycle.claim(run("a", retries=1, updated_at=START), START, "boot", "0" * 16)
    await store.add(born, key=None, queue_limit=9)
    failed = Outcome(Status.FAILED, Failure.EXIT_NONZERO)

    def settle(row: Run) -> Run:
        return lifecycle.finish(row, Exit(1, "exited", 1), failed, START, journal_end=64, summary=None)

    assert (await store.change("a", settle)).status is Status.QUEUED
    assert await store.activity(0, START) == Activity({}, {})
    await end(store, "s", START, Status.CANCELLED, mode=Mode.SERVICE, agent="web")
    for _ in "ab":

        def again(row: Run) -> Run:
            return lifecycle.claim(lifecycle.restart(row, START), START, "boot", "1" * 16)

        await store.change("s", again)
        await store.change("s", lambda row: ended(row, START, Status.CANCELLED))
    assert (await store.activity(0, START)).agents == {"web": Ended(3, 0, 3)}


async def test_many_ends_at_once_are_all_counted(store: Store) -> None:
    await asyncio.gather(*(end(store, f"r{n}", START, agent=f"a{n % (AGENTS + 5)}") for n in range(300)))
    found = await store.activity(START, START)
    assert (found.hours[START].ended, len(found.agents)) == (300, AGENTS)


async def test_what_was_used_by_agent_day_and_session(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    day = START - START % (24 * HOUR)
    await end(store, "a", day - 1, used=Used(1, 1, 1), session_id="s")
    await end(store, "b", day, Status.FAILED, used=Used(10, 2, 500_000), session_id="s")
    await end(store, "c", day + HOUR + 5, used=Used(None, 3), agent="other", session_id="t")
    await end(store, "d", day + HOUR + 6, used=Used(7), agent="last")
    tried = lifecycle.claim(run("e", created_at=day, updated_at=day, session_id="s"), day, "b", "0" * 16)
    await store.add(tried._replace(tokens_in=99), key=None, queue_limit=9)
    one, three = Ended(1, 1, 0, 10, 2, 500_000), Ended(3, 1, 0, 17, 5, 500_000)
    other, last = Ended(1, 0, 0, 0, 3), Ended(1, 0, 0, 7)
    found = await store.usage("agent", day + 5)
    assert found == usage.Usage(day, three, {"hello": one, "last": last, "other": other})
    assert list(found.rows) == ["hello", "last", "other"]
    found = await store.usage("day", 0)
    assert list(found.rows.items()) == [("1970-02-10", Ended(1, 0, 0, 1, 1, 1)), ("1970-02-11", three)]
    sessions = {"s": one, "t": other}
    assert await store.usage("session", day) == usage.Usage(day, Ended(2, 1, 0, 10, 5, 500_000), sessions)
    assert (await store.usage("session", 0)).rows["s"] == Ended(2, 1, 0, 11, 3, 500_001)
    monkeypatch.setattr(usage, "LOOKED", 2)
    assert await store.usage("session", 0) == usage.Usage(day + HOUR + 5, other, {"t": other})
    await store.delete("b")
    assert (await store.usage("agent", day)).rows["hello"] == one
    assert await store.usage("agent", 1 << 62) == usage.Usage((1 << 62) // HOUR * HOUR, Ended(), {})
