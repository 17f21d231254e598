"""What much that is over costs: the same questions with a thousand and with a million runs stored."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from ..rigs.harness import Server
from . import shelf
from .noops import flight
from .place import Bench, cancel_live, running
from .reads import LIST, ask
from .rows import Figures, Goal, Row, column, turns
from .starts import started
from .submits import flood

FEW, MANY, LIVE = 1000, 1_000_000, 50
SLOTS = 2
"""So few that most runs wait for their claim."""
LIMIT = ("--queue-limit", "10000000")
PAGE = "application/json"
_TWICE = (Goal("<=", 2, "ratio"),)


class Question(NamedTuple):
    """One thing to ask of both servers."""

    name: str
    key: str
    unit: str
    goals: tuple[Goal, ...]
    measure: Callable[[int, int], Awaitable[Figures]]
    """Of the server on this port, which has so many runs stored."""


async def stored(bench: Bench) -> list[Row]:
    """Start, get, list, claim and submit; the floor is the same with few runs stored."""
    many = max(FEW, bench.count(MANY))
    large, small = await shelf.filled(bench, many), await shelf.filled(bench, FEW)
    rows = [await _start(bench, large, many)]
    large.flags = small.flags = ("--concurrency", str(SLOTS), *LIMIT)
    async with running(large), running(small):
        servers = {many: large, FEW: small}
        rows += [await _asked(bench, servers, question) for question in _questions(bench)]
        for server in servers.values():
            for _ in range(SLOTS):
                server.submit("parked")
        return rows + [await _asked(bench, servers, question) for question in _submits(bench)]


async def _start(bench: Bench, large: Server, many: int) -> Row:
    """From a start to the first 200, with much stored and some live; the floor has nothing of both."""
    large.flags = ("--concurrency", str(LIVE), *LIMIT)
    large.start()
    for _ in range(LIVE):
        large.submit("parked")
    large.stop()
    found, least = await turns(
        bench.rounds,
        lambda: started(partial(bench.start_server, large)),
        lambda: started(bench.start_server),
    )
    large.start()
    cancel_live(large)
    large.stop()
    return Row(
        f"{many:,} stored, {LIVE} live: start to first 200", "ms", column(found, "took"),
        column(least, "took"), "nothing stored", (Goal("<=", 1.2, "ratio"),),
    )  # fmt: skip


def _questions(bench: Bench) -> list[Question]:
    """What is asked while slots are free."""
    count = bench.count(800)

    def get(port: int, there: int) -> Awaitable[Figures]:
        names = (shelf.name(random.randint(1, there)) for _ in range(count))
        return ask(port, [f"{LIST}/{name}" for name in names], 1, count)

    def page(path: str, accept: str = "*/*") -> Callable[[int, int], Awaitable[Figures]]:
        return lambda port, _: ask(port, [path], 1, bench.count(300), accept)

    def text(port: int, _: int) -> Awaitable[Figures]:
        return ask(port, [f"{LIST}?q=nowhere"], 1, bench.count(20))

    def end(port: int, there: int) -> Awaitable[Figures]:
        return ask(port, [f"/api/v1/ids/{shelf.name(there - 9)[-6:]}"], 1, bench.count(20))

    pages = (*_TWICE, Goal("<=", 3))
    return [
        Question("get: p50", "p50", "ms", _TWICE, get),
        Question("list page: p50", "p50", "ms", pages, page(LIST)),
        Question("list page, filtered: p50", "p50", "ms", pages, page(f"{LIST}?agent=noop&status=succeeded")),
        Question("list page, of an hour: p50", "p50", "ms", pages, page(f"{LIST}?since=1h")),
        Question("stream of all runs, a page: p50", "p50", "ms", pages, page("/api/v1/events", PAGE)),
        Question("queue: p50", "p50", "ms", pages, page("/api/v1/queue")),
        Question("activity of a day: p50", "p50", "ms", (*_TWICE, Goal("<=", 5)), page("/api/v1/activity")),
        Question("text that no run has: p50", "p50", "ms", (Goal("<=", 400),), text),
        Question("the end of an id: p50", "p50", "ms", (Goal("<=", 60),), end),
        Question(
            "no-op runs, queued and claimed", "each", "ms/run", _TWICE,
            lambda port, _: flight(port, bench.count(160)),
        ),
    ]  # fmt: skip


def _submits(bench: Bench) -> list[Question]:
    """What is asked while none is."""
    return [
        Question(
            "submit, 1 connection: p50", "p50", "ms", (Goal("<=", 1.3, "ratio"),),
            lambda port, _: flood(port, 1, bench.count(600)),
        ),
        Question(
            "submit, 32 connections: p50", "p50", "ms", (Goal("<=", 1.3, "ratio"),),
            lambda port, _: flood(port, 32, bench.count(4000)),
        ),
    ]  # fmt: skip


async def _asked(bench: Bench, servers: dict[int, Server], question: Question) -> Row:
    found, least = await turns(
        bench.rounds,
        *(partial(question.measure, server.port, there) for there, server in servers.items()),
    )
    many, few = servers
    return Row(
        f"{many:,} stored, {question.name}", question.unit, column(found, question.key),
        column(least, question.key), f"{few:,} stored", question.goals,
    )  # fmt: skip
