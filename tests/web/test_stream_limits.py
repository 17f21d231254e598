"""How many streams there may be, what the next one is told, and that a crowd waits its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio
import pytest
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Scope

from praisonrun.dialects.jobs.events import Streams
from praisonrun.dialects.jobs.logs import Logs
from praisonrun.engine.engine import Engine
from praisonrun.web.responses import StreamLimits

from ..rigs.harness import submit
from ..rigs.wire_rig import RUNS, Call, app_of

pytestmark = pytest.mark.anyio
SSE = {"accept": "text/event-stream"}
NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture
async def house(engines: Callable[..., AbstractAsyncContextManager[Engine]]) -> AsyncIterator[Engine]:
    async with engines(concurrency=8) as engine:
        yield engine


def app(engine: Engine, limits: StreamLimits) -> ASGIApp:
    return app_of(Streams(engine, limits), Logs(engine, limits))


def scope(path: str, headers: dict[str, str] | None = None) -> Scope:
    path, _, query = path.partition("?")
    given = {"host": "127.0.0.1:8005", **(headers or {})}
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip


async def stays() -> Message:
    """Receive what a client sends that waits for its answer."""
    await anyio.sleep_forever()
    raise AssertionError


async def answer(made: ASGIApp, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Return the status and body of an answer that ends by itself."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(5):
        await made(scope(path, headers), stays, send)
    return sent[0]["status"], b"".join(part.get("body", b"") for part in sent)


@pytest.mark.parametrize(("total", "per_run"), [(3, 64), (256, 3)])
async def test_where_there_is_no_place_each_is_told_in_his_own_way(
    house: Engine, total: int, per_run: int
) -> None:
    limits = StreamLimits(total, per_run)
    made, run_id = app(house, limits), await submit(house, "wait")
    other = await submit(house, "wait")
    calls = [
        Call(f"{RUNS}/{run_id}/stream", SSE),
        Call(f"{RUNS}/{run_id}/stream", NDJSON),
        Call(f"{RUNS}/{run_id}/logs?follow"),
    ]
    async with AsyncExitStack() as stack:
        for call in calls:
            await stack.enter_async_context(call.to(made))
            await call.until(b"up")
        assert limits.open == 3
        status, body = await answer(made, f"{RUNS}/{run_id}/stream", SSE)
        assert (status, body[:13]) == (200, b"retry: 30000\n")  # an EventSource comes again
        for path, headers in (
            (f"{RUNS}/{run_id}/stream", NDJSON),
            (f"{RUNS}/{run_id}/stream", {}),
            (f"{RUNS}/{run_id}/logs?follow", {}),
        ):
            status, body = await answer(made, path, headers)
            assert (status, b"too many streams" in body) == (503, True)
        assert (await answer(made, f"{RUNS}/{run_id}/events?wait=30&after=1"))[
            0
        ] == 200  # at once: polling always works
        assert (await answer(made, f"{RUNS}/{run_id}/logs"))[0] == 200
        if per_run == 3:
            free = Call(f"{RUNS}/{other}/stream", SSE)
            async with free.to(made):
                await free.until(b"up")
                free.left.set()
        assert limits.open == 3
        for call in calls:
            call.left.set()
    assert limits.open == 0
    assert (await answer(made, f"{RUNS}/{run_id}/stream", {"accept": "application/json"}))[0] == 200
    await house.cancel_live()
    assert b"[DONE]" in (await answer(made, f"{RUNS}/{run_id}/stream", SSE))[1]


async def test_an_answer_that_fails_gives_its_place_back() -> None:
    limits = StreamLimits()

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("boom")

    async def send(_: Message) -> None:
        pass

    with pytest.raises(BaseException, match=r"boom|unhandled"):
        await limits.limited(StreamingResponse(broken()), "r", sse=True)(scope("/"), stays, send)
    assert limits.open == 0
