"""A large result in the last events of a run: in memory once for all who are sent it, and the same JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from praisonrun.core.json import dumps
from praisonrun.dialects.event_stream import Cursor, Encode, EventStream
from praisonrun.dialects.jobs.events import JobEvents, WireEvent, ndjson, sse
from praisonrun.engine.engine import Engine
from praisonrun.engine.shared_results import LARGE, MARK, Apart
from praisonrun.journal.format import START
from praisonrun.journal.results import Result

from ..rigs.harness import ran

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("encode", [sse, ndjson])
async def test_all_who_are_sent_a_large_result_are_sent_one_text(
    engine: Engine, encode: Encode[WireEvent]
) -> None:
    shown = await ran(engine, "count", "20000")
    events, begin = EventStream(engine, JobEvents), Cursor(0, START)
    result = dumps((await engine.journals.result(shown.run)).value)
    whole, done = await events.page(shown, begin, 100_000, size=1 << 30)

    async def until_result(chunks: AsyncGenerator[bytes]) -> list[bytes]:
        sent = [await anext(chunks)]
        while sent[-1] != result:
            sent.append(await anext(chunks))
        return sent

    async with (
        aclosing(events.stream(shown.run, begin, encode)) as one,
        aclosing(events.stream(shown.run, begin, encode)) as other,
    ):
        sent = await until_result(one)
        assert (await until_result(other))[-1] is sent[-1]
        assert b"".join([*sent, *[chunk async for chunk in one]]) == encode(whole)
    assert done
    assert not engine.shared_results._held


def test_a_small_result_is_no_piece_of_its_own() -> None:
    text = b'{"a":"%b","b":1}' % MARK.encode()
    assert Apart(Result("x")).pieces(text) == [b'{"a":"x","b":1}']
    assert Apart(Result("x" * LARGE)).pieces(b"no result") == [b"no result"]
