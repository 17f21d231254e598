"""Writes of one step of the loop leave together."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from praisonrun.web.transport import BEHIND, LARGE, CoalescingTransport

pytestmark = pytest.mark.anyio


class Sent:
    """A transport that only remembers."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == BEHIND

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.pieces.append(b"(closed)")


async def test_a_head_leaves_with_its_body_and_not_after_the_close() -> None:
    sent = Sent()
    joined = CoalescingTransport(cast("asyncio.Transport", sent), asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b" body")
    assert sent.pieces == []
    await asyncio.sleep(0)
    assert sent.pieces == [b"head body"]
    joined.write(b"last")
    joined.close()
    await asyncio.sleep(0)
    assert sent.pieces == [b"head body", b"last", b"(closed)"]


async def test_small_pieces_do_not_pile_up_where_nobody_can_pause_their_writer() -> None:
    sent = Sent()
    joined = CoalescingTransport(cast("asyncio.Transport", sent), asyncio.get_running_loop())
    for _ in range(100):
        joined.write(b"x" * 1024)
    assert 100 * 1024 - sum(map(len, sent.pieces)) <= LARGE
