"""How an attempt ended of which no lifeline told: what its journal says, and what of it must be killed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields
from typing import NamedTuple

from ..core.model import Exit, Json, Phase
from ..files.run_files import RunFiles
from . import sweep

log = logging.getLogger("praisonrun")
CUT = "its journal was removed or cut off"
_EXIT_FIELDS = frozenset(field.name for field in fields(Exit))


class Mark(NamedTuple):
    """What the processes of one attempt are known by: no other attempt, of any store, has the same."""

    store: str
    run_id: str
    number: int
    claim: str | None
    """None for an attempt that was claimed before claims had numbers."""

    def __str__(self) -> str:
        return f"{self.store}/{self.run_id}/{self.number}/{self.claim}"


class NeverStarted(Exception):
    """The shim is gone, or was never made, and its agent never ran: safe to start again."""


def phase_of(start: dict[str, Json]) -> Phase:
    """Return what a started frame that has a pid says."""
    return Phase(start.get("phase", Phase.RUNNING))


def exit_of(payload: dict[str, Json]) -> Exit:
    """Return an ENDED frame's payload as a value; fields of a newer shim are passed over."""
    return Exit(**{key: value for key, value in payload.items() if key in _EXIT_FIELDS})


async def look(files: RunFiles, mark: Mark) -> Exit | None:
    """Return how an attempt that holds no lock ended.

    None when its agent was started and its end is nowhere written: the shim was killed.
    Raises NeverStarted when its agent was not started: its journal, made before the claim, would say so.
    What that says of `not_started` may be an earlier claim's, whose attempt had this number.
    """
    tail = await asyncio.to_thread(files.tail, mark.run_id)
    if not tail.readable:
        return await lose(files, mark, "its journal is of another version of praisonrun")
    ended = exit_of(tail.ended) if tail.ended and tail.ended["attempt"] == mark.number else None
    if ended and ended.reason != "not_started":
        return ended
    if not ended and tail.started and tail.started["attempt"] == mark.number:
        return None
    left = await asyncio.to_thread(sweep.marked, f"{sweep.MARK}={mark}")
    if mark.claim and (left or tail.torn or not tail.whole):
        return await lose(files, mark, CUT)
    if ended:
        return ended
    raise NeverStarted(mark.run_id)


async def lose(files: RunFiles, mark: Mark, why: str, *, rebooted: bool = False) -> Exit:
    """Kill what a killed shim left behind, and say that the attempt is lost.

    `rebooted`: the boot seems to be another, so pids prove nothing any more, but a mark does.
    """
    swept = await asyncio.to_thread(_sweep, files, mark, rebooted)
    return Exit(mark.number, "lost", error=f"lost: {why}", swept=swept)


def _sweep(files: RunFiles, mark: Mark, rebooted: bool) -> int:
    start = files.tail(mark.run_id).started or {}
    if start.get("attempt") != mark.number or rebooted:
        start = {}
    if mark.claim is not None:
        known = (start["pid"], start["ticks"]) if start.get("ticks") else None
        return sweep.kill_marked(str(mark), known)
    if rebooted:
        return 0
    swept, left = sweep.kill_unmarked(mark.run_id, str(files.root / "runs"), start.get("shim", -1))
    for pid in left:
        log.warning("run %s is lost; not provably a process of it and left running: pid %d", mark.run_id, pid)
    return swept
