"""What a benchmark reports: a figure, its floor and its peers, in turns, and whether the goal holds."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Figures = dict[str, float]
"""What one measurement gave, by name."""
Measure = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on the figure, on its ratio to the floor, or on its ratio to the peer that `of` names."""

    kind: Literal["<=", ">="]
    limit: float
    of: str = "figure"

    def __str__(self) -> str:
        of = {"figure": "", "ratio": " of floor"}.get(self.of, f" of {self.of}")
        return f"{self.kind} {self.limit:g}{of}"

    def holds(self, value: float) -> bool:
        """Say whether a value is within the limit."""
        return value <= self.limit if self.kind == "<=" else value >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    unit: str
    ours: Sequence[float]
    """One figure a round."""
    floor: Sequence[float] = ()
    """The same rounds' floor; empty where there is none."""
    floor_name: str = ""
    goals: Sequence[Goal] = field(default=())
    peers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The same rounds of others, by their names."""

    @property
    def figure(self) -> float:
        """The median round."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float | None:
        """The median of each round's ratio to its own floor."""
        return self._ratio(self.floor)

    def against(self, peer: str) -> float | None:
        """Return the median of each round's ratio to a peer's; None when it was not measured."""
        return self._ratio(self.peers.get(peer, ()))

    @property
    def holds(self) -> bool | None:
        """Whether every goal that was measured holds; None without one."""
        known = [goal.holds(value) for goal in self.goals if (value := self._value(goal)) is not None]
        return all(known) if known else None

    @property
    def unmeasured(self) -> list[Goal]:
        """The goals whose peer was not measured."""
        return [goal for goal in self.goals if self._value(goal) is None]

    def _value(self, goal: Goal) -> float | None:
        if goal.of == "figure":
            return self.figure
        return self.ratio if goal.of == "ratio" else self.against(goal.of)

    def _ratio(self, others: Sequence[float]) -> float | None:
        pairs = [ours / other for ours, other in zip(self.ours, others, strict=bool(others)) if other]
        return statistics.median(pairs) if pairs else None


async def turns(rounds: int, *measures: Measure) -> list[list[Figures]]:
    """Measure each in turn, after one round that does not count; return the rounds of each."""
    found: list[list[Figures]] = [[] for _ in measures]
    for number in range(rounds + 1):
        for kept, measure in zip(found, measures, strict=True):
            figures = await measure()
            if number:
                kept.append(figures)
    return found


def column(rounds: Sequence[Figures], name: str) -> list[float]:
    """Return one figure of each round."""
    return [figures[name] for figures in rounds]


def columns(peers: Mapping[str, Sequence[Figures]], name: str) -> dict[str, list[float]]:
    """Return one figure of each round of each peer."""
    return {peer: column(rounds, name) for peer, rounds in peers.items()}


def percentiles(seconds: Sequence[float]) -> Figures:
    """Return p50 and p99 in milliseconds."""
    ranked = sorted(seconds)
    return {
        "p50": 1000 * ranked[len(ranked) // 2],
        "p99": 1000 * ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
    }
