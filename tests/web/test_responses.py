"""Streams as all dialects send them."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial

import anyio
import pytest
from starlette.responses import Response
from starlette.types import Message

from praisonrun.web.responses import Stream, sse_stream

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stream", [partial(sse_stream, heartbeat=60), Stream])
async def test_what_was_being_sent_is_forgotten_as_soon_as_its_client_leaves(
    stream: Callable[[AsyncIterator[bytes]], Response],
) -> None:
    """Without a collection of garbage, which is rare: clients that come and go would fill the memory."""
    chunk, closed = bytes(1000), []
    sending = anyio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield chunk
        finally:
            closed.append(True)

    async def send(message: Message) -> None:
        if message.get("body"):
            sending.set()
            await anyio.sleep_forever()

    async def receive() -> Message:
        await sending.wait()
        return {"type": "http.disconnect"}

    before = sys.getrefcount(chunk)
    gc.disable()
    try:
        await stream(chunks())({"type": "http", "method": "GET"}, receive, send)
        assert sys.getrefcount(chunk) == before
        assert closed
    finally:
        gc.enable()
