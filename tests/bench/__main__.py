"""`python -m tests.bench`: one table of figures, floors, ratios and goals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from . import noops, outputs, starts, streams, submits
from .place import Bench
from .rows import Row, as_json, table

BENCHES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "submit-32": submits.many,
    "submit-1": submits.one,
    "noop": noops.unloaded,
    "noop-16": noops.sustained,
    "line": streams.line,
    "first-event": streams.first,
    "fan-events": streams.fan_events,
    "fan-bursts": streams.fan_bursts,
    "output": outputs.throughput,
    "unwatched": outputs.unwatched,
    "start": starts.start,
    "idle": starts.idle,
}
PEERS = {
    "task-spooler": "have `tsp` on PATH: apt install task-spooler, or brew install task-spooler",
}


def main() -> int:
    """Measure what was asked for and print it. Returns 1 when a goal does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", choices=BENCHES, help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count, after one that does not")
    parser.add_argument("--scale", type=float, default=1.0, help="of every count")
    parser.add_argument("--dir", type=Path, help="where state goes: put it on the disk that is meant")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--peers", choices=PEERS, metavar="NAME", help="say how to install task-spooler")
    asked = parser.parse_args()
    if asked.peers:
        print(PEERS[asked.peers])
        return 0
    gc.disable()  # the load shares its processors with what it measures
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as home:
        for name in asked.only or BENCHES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += asyncio.run(_measure(name, Bench(Path(home), asked.rounds, asked.scale)))
            gc.collect()
    print(json.dumps([as_json(row) for row in rows], indent=2) if asked.json else table(rows))
    return 0 if all(row.holds is not False for row in rows) else 1


async def _measure(name: str, bench: Bench) -> list[Row]:
    bench.home = bench.home / name
    bench.home.mkdir()
    return await BENCHES[name](bench)


if __name__ == "__main__":
    sys.exit(main())
