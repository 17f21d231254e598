"""What a run used, counted: tokens and money, from the numbers that its agent told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .json import Json

MOST = 10**12
"""Tokens, or millionths of a dollar: no run counts for more, so sums of many runs stay integers of SQLite."""
_IN = ("input_tokens", "prompt_tokens")
_OUT = ("output_tokens", "completion_tokens")
_COST = ("cost_usd", "total_cost_usd", "cost")


class Used(NamedTuple):
    """What a run used; None for what its agent did not tell."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_microusd: int | None = None


def counted(usage: Mapping[str, Json]) -> Used:
    """Count the numbers of a run's `usage`, which are finite; each has a few names."""
    return Used(_count(usage, _IN), _count(usage, _OUT), _count(usage, _COST, 1_000_000))


def _count(usage: Mapping[str, Json], names: tuple[str, ...], each: int = 1) -> int | None:
    told = next((usage[name] for name in names if name in usage), None)
    return None if told is None else min(round(max(0, min(told, MOST)) * each), MOST)
