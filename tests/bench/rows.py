"""What a benchmark reports: a figure and its floor, in turns, and whether the goal holds."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Figures = dict[str, float]
"""What one measurement gave, by name."""
Measure = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on the figure, or on its ratio to the floor."""

    kind: Literal["<=", ">="]
    limit: float
    of: Literal["figure", "ratio"] = "figure"

    def __str__(self) -> str:
        return f"{self.kind} {self.limit:g}{' of floor' if self.of == 'ratio' else ''}"


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

    @property
    def figure(self) -> float:
        """The median round."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float | None:
        """The median of each round's ratio to its own floor."""
        pairs = [ours / floor for ours, floor in zip(self.ours, self.floor, strict=bool(self.floor)) if floor]
        return statistics.median(pairs) if pairs else None

    @property
    def holds(self) -> bool | None:
        """Whether every goal holds; None without one."""
        return all(self._holds(goal) for goal in self.goals) if self.goals else None

    def _holds(self, goal: Goal) -> bool:
        value = self.figure if goal.of == "figure" else self.ratio
        assert value is not None
        return value <= goal.limit if goal.kind == "<=" else value >= goal.limit


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


def percentiles(seconds: Sequence[float]) -> Figures:
    """Return p50 and p99 in milliseconds."""
    ranked = sorted(seconds)
    return {
        "p50": 1000 * ranked[len(ranked) // 2],
        "p99": 1000 * ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
    }


def table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text."""
    lines: list[tuple[str, ...]] = [("figure", "median", "spread", "floor", "", "ratio", "goal", "holds")]
    lines += [_cells(row) for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    ratio, holds = row.ratio, row.holds
    return (
        row.name,
        f"{_short(row.figure)} {row.unit}",
        f"{_short(min(row.ours))}..{_short(max(row.ours))}",
        _short(statistics.median(row.floor)) if row.floor else "-",
        row.floor_name,
        f"{ratio:.2f}" if ratio is not None else "-",
        ", ".join(map(str, row.goals)) or "-",
        {True: "yes", False: "NO", None: "-"}[holds],
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def as_json(row: Row) -> dict[str, object]:
    """Return a row as plain values."""
    return {
        "name": row.name,
        "unit": row.unit,
        "median": row.figure,
        "rounds": list(row.ours),
        "floor_name": row.floor_name or None,
        "floor_rounds": list(row.floor),
        "ratio": row.ratio,
        "goals": [str(goal) for goal in row.goals],
        "holds": row.holds,
    }
