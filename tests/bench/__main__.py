"""`python -m tests.bench`: one table of figures, their floors, peers, ratios and goals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from . import (
    fans,
    feeds,
    live,
    noops,
    outputs,
    peers,
    reads,
    report,
    stalls,
    starts,
    stored,
    streams,
    submits,
)
from .place import Bench
from .rows import Row

BENCHES: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "submit-32": submits.many,
    "submit-1": submits.one,
    "noop": noops.unloaded,
    "noop-16": noops.sustained,
    "line": streams.line,
    "first-event": streams.first,
    "fan-events": fans.events,
    "fan-bursts": fans.bursts,
    "fan-stalled": fans.stalled,
    "feed": feeds.feed,
    "output": outputs.throughput,
    "unwatched": outputs.unwatched,
    "stall": stalls.stall,
    "reads": reads.reads,
    "start": starts.start,
    "idle": starts.idle,
    "stored": stored.stored,
    "live": live.live,
}
QUICK = (2, 0.1)
"""Rounds and scale of a look that proves nothing."""


def main() -> int:
    """Measure what was asked for and print it. Returns 1 when a goal does not hold or something failed."""
    if sys.platform != "linux":
        print("the benchmarks look at /proc: they need Linux", file=sys.stderr)
        return 2
    asked = _asked()
    rounds, scale = QUICK if asked.quick else (asked.rounds, asked.scale)
    try:
        beside = peers.prepare(asked.peers, asked.peers_dir)
    except peers.NotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    gc.disable()  # the load shares its processors with what it measures
    rows: list[Row] = []
    missing = dict(report.ELSEWHERE)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as home:
        facts = report.machine(Path(home)) | beside.versions()
        _say(report.head(facts))
        for name in asked.only or BENCHES:
            _say(f"{name} ...")
            try:
                rows += asyncio.run(_measure(name, Bench(Path(home), rounds, scale, beside)))
            except Exception as error:  # what was measured so far is still worth its time
                traceback.print_exc()
                missing[name] = f"failed: {type(error).__name__}, see above"
            gc.collect()
    if asked.json != "-":
        print(f"{report.head(facts)}\n{rounds} rounds, {scale:g} of each count\n")
        print(report.table(rows, missing))
    if asked.json:
        text = json.dumps(report.as_json(facts, rows, missing), indent=2)
        print(text) if asked.json == "-" else Path(asked.json).write_text(f"{text}\n")
    failed = missing.keys() != report.ELSEWHERE.keys()
    return 1 if failed or any(row.holds is False for row in rows) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--only", type=_names(BENCHES), metavar="NAMES", help=f"of these, with commas: {', '.join(BENCHES)}")
    add("--rounds", type=int, default=5, help="rounds that count, after one that does not")
    add("--scale", type=float, default=1.0, help="of every count")
    add("--quick", action="store_true", help=f"{QUICK[0]} rounds of {QUICK[1]:g} of every count")
    add("--dir", type=Path, help="where state goes: put it on the disk that is meant")
    add("--json", metavar="FILE", help="write JSON, too; - prints it in place of the table")
    add(
        "--peers", type=_names(peers.NAMES), metavar="NAMES", default=[],
        help=f"install these where they are missing, and measure them, too: {', '.join(peers.NAMES)}",
    )  # fmt: skip
    add("--peers-dir", type=Path, default=peers.default_home(), help="where they are installed (%(default)s)")
    return parser.parse_args()


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return what reads names with commas between."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(known)}")
        return names

    return read


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _measure(name: str, bench: Bench) -> list[Row]:
    bench.home = bench.home / name
    bench.home.mkdir()
    return await BENCHES[name](bench)


if __name__ == "__main__":
    sys.exit(main())
