"""What is printed: the machine, one table, what was not measured and why; or all of it as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from .rows import Row

ELSEWHERE = {
    "no endpoint scans": "the plan of each query is a test of the store",
    "a crew with a preloaded framework": "not built yet: a crew's framework is imported anew by each run",
}
"""Goals without a figure here, and why."""
_HEAD = ("figure", "median", "spread", "floor", "", "ratio")


def machine(state: Path) -> dict[str, str]:
    """Say what is measured on; `state` is where state directories go."""
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "file system": _file_system(state),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _file_system(state: Path) -> str:
    place = state.resolve()
    mounted = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounted[str(at)] for at in (place, *place.parents) if str(at) in mounted), "unknown")


def head(facts: Mapping[str, str]) -> str:
    """Return a line of facts."""
    return ", ".join(f"{name}: {fact}" for name, fact in facts.items())


def table(rows: Sequence[Row], missing: Mapping[str, str]) -> str:
    """Return the rows as aligned text, and below it what was not measured and why."""
    peers = list(dict.fromkeys(peer for row in rows for peer in row.peers))
    lines: list[tuple[str, ...]] = [(*_HEAD, *(f"{peer} (ratio)" for peer in peers), "goal", "holds")]
    lines += [_cells(row, peers) for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, "", *(f"not measured: {line}" for line in unmeasured(rows, missing))])


def unmeasured(rows: Sequence[Row], missing: Mapping[str, str]) -> list[str]:
    """Return the goals that nothing here can tell of, and why."""
    alone = [f"{row.name} {goal}: no such peer in this run" for row in rows for goal in row.unmeasured]
    return [*alone, *(f"{name}: {why}" for name, why in missing.items())]


def _cells(row: Row, peers: Sequence[str]) -> tuple[str, ...]:
    ratio, holds = row.ratio, row.holds
    return (
        row.name,
        f"{_short(row.figure)} {row.unit}",
        f"{_short(min(row.ours))}..{_short(max(row.ours))}",
        _short(statistics.median(row.floor)) if row.floor else "-",
        row.floor_name,
        f"{ratio:.2f}" if ratio is not None else "-",
        *(_peer(row, peer) for peer in peers),
        ", ".join(map(str, row.goals)) or "-",
        {True: "yes", False: "NO", None: "-"}[holds],
    )


def _peer(row: Row, peer: str) -> str:
    ratio = row.against(peer)
    return f"{_short(statistics.median(row.peers[peer]))} ({ratio:.2f})" if ratio is not None else "-"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def as_json(facts: Mapping[str, str], rows: Sequence[Row], missing: Mapping[str, str]) -> dict[str, object]:
    """Return everything as plain values."""
    return {
        "machine": dict(facts),
        "rows": [_plain(row) for row in rows],
        "not_measured": unmeasured(rows, missing),
    }


def _plain(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "unit": row.unit,
        "median": row.figure,
        "rounds": list(row.ours),
        "floor_name": row.floor_name or None,
        "floor_rounds": list(row.floor),
        "ratio": row.ratio,
        "peers": {
            peer: {"rounds": list(rounds), "median": statistics.median(rounds), "ratio": row.against(peer)}
            for peer, rounds in row.peers.items()
        },
        "goals": [str(goal) for goal in row.goals],
        "holds": row.holds,
    }
