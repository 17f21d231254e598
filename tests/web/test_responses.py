"""Streams as all dialects send them."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.types import Message

from praisonrun.web.responses import sse_stream

pytestmark = pytest.mark.anyio


async def test_what_was_being_sent_is_forgotten_as_soon_as_its_client_leaves() -> None:
    """Without a collection of garbage, which is rare: clients that come and go would fill the memory."""
    chunk = bytes(1000)
    sending = anyio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield chunk

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
        await sse_stream(chunks(), heartbeat=60)({"type": "http", "method": "GET"}, receive, send)
        assert sys.getrefcount(chunk) == before
    finally:
        gc.enable()
