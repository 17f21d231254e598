"""What is looked at once in a turn of the loop."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from praisonrun.core.clock import OncePerTick


async def test_one_look_serves_a_turn_and_no_longer() -> None:
    turn, looks = OncePerTick(), count()
    assert [turn.once("a", lambda: next(looks)) for _ in range(3)] == [0, 0, 0]
    assert turn.once("b", lambda: next(looks)) == 1
    await asyncio.sleep(0)
    assert turn.once("a", lambda: next(looks)) == 2


async def test_a_look_that_fails_is_taken_again() -> None:
    turn = OncePerTick()

    def failing() -> int:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - it is the one
        turn.once("a", failing)
    assert turn.once("a", lambda: 7) == 7


def test_without_a_loop_nothing_is_remembered() -> None:
    turn, looks = OncePerTick(), count()
    assert [turn.once("a", lambda: next(looks)) for _ in range(2)] == [0, 1]
