"""Kill all processes that an agent left behind: descendants of its shim, or those with its mark.

First everything is stopped until no new process appears, and only then killed: a fork storm cannot outrun
that. Standard library only: every run pays for what its shim imports.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable

MARK = "PRAISONRUN_MARK"
"""The environment variable by which an agent and its descendants are known."""
_PATIENCE = 5.0
"""Seconds after which a process is left that cannot be killed: another user's, or stuck in the kernel."""
_DEAD = ("Z", "X")

LINUX = sys.platform == "linux"


def descendants(root: int) -> set[int]:
    """Return the living processes that descend from `root`. Linux only: elsewhere the set is empty."""
    return _below({root}, _parents())


def kill_descendants(root: int, reap: Callable[[], object]) -> int:
    """Kill every descendant of `root`, calling `reap` meanwhile. Returns how many there were."""
    return _kill(lambda: descendants(root), reap)


def kill_marked(
    mark: str, known: tuple[int, int] | None = None, reap: Callable[[], object] = lambda: None
) -> int:
    """Kill every process with exactly this mark in its environment, and its descendants. Returns how many.

    `known` is the (pid, ticks) of a process of this boot that belongs to them, too: it may have emptied its
    environment. A caller that has the mark itself kills nothing.
    """
    if os.environ.get(MARK) == mark:
        return 0
    return _kill(lambda: marked(f"{MARK}={mark}", known), reap)


def marked(entry: str, known: tuple[int, int] | None = None) -> set[int]:
    """Return the living processes with this entry in their environment, or known, and their descendants."""
    if not LINUX:
        return _marked_by_ps(entry) - {os.getpid()}
    parents = _parents()
    bearers = {pid for pid in parents if entry.encode() in environment(pid)}
    if known and known[0] in parents and ticks(known[0]) == known[1]:
        bearers.add(known[0])
    return (bearers | _below(bearers, parents)) - {os.getpid()}


def kill_unmarked(run_id: str, below: str, shim: int) -> tuple[int, set[int]]:
    """Kill what an attempt left that had no mark: those of before schema 2 have none.

    Its processes have the run's id and, below the state directory's folder `below`, a result path, or are of
    the session of its `shim`. Returns how many were killed, and the others of that id, which are not provably
    ours and were left alone.
    """
    entry = f"PRAISONRUN_RUN_ID={run_id}"
    place = f"PRAISONRUN_RESULT_PATH={below}/".encode()

    def ours() -> set[int]:
        return {pid for pid in marked(entry) if _session(pid) == shim or _has(pid, place)}

    return _kill(ours, lambda: None), marked(entry)


def ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None if it is gone. Linux only.

    No other process of one boot has the same pid and ticks.
    """
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else None


def stopped(pid: int) -> bool:
    """Say whether a process is stopped by a signal or a debugger. Linux only: elsewhere none is."""
    return _stat(pid, 1)[:1] in ([b"T"], [b"t"])


def environment(pid: int) -> list[bytes]:
    """Return the environment that a process was started with; empty where it cannot be read."""
    return _read(f"/proc/{pid}/environ").split(b"\0")


def _has(pid: int, start: bytes) -> bool:
    return any(entry.startswith(start) for entry in environment(pid))


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _kill(find: Callable[[], set[int]], reap: Callable[[], object]) -> int:
    seen: set[int] = set()
    give_up = time.monotonic() + _PATIENCE
    pause = 0.001
    # A process that is dying has no environment any more, and still holds what it has open.
    while ((found := _stopped(find, seen)) or seen & _parents().keys()) and time.monotonic() < give_up:
        _signal(found, signal.SIGKILL)
        reap()
        time.sleep(pause)  # there is no event to wait for: they may not be our children
        pause = min(pause * 2, 0.05)
    reap()
    return len(seen)


def _stopped(find: Callable[[], set[int]], seen: set[int]) -> set[int]:
    """Stop what `find` returns until that is nothing new; return what it returned last."""
    while fresh := (found := find()) - seen:
        _signal(fresh, signal.SIGSTOP)
        seen |= fresh
    return found


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _parents() -> dict[int, int]:
    """Map every living process to its parent, in one walk over /proc; nothing where there is none."""
    found = {}
    for name in _names() if LINUX else ():
        if name.isdigit():
            fields = _stat(name, 2)
            if len(fields) > 1 and fields[0].decode() not in _DEAD:
                found[int(name)] = int(fields[1])
    return found


def _names() -> list[str]:
    try:
        return os.listdir("/proc")
    except OSError:
        return []


def sees() -> bool:
    """Say whether processes can be looked for: a bare root directory or a masked /proc shows none."""
    return not LINUX or os.getpid() in _parents()


def _stat(pid: int | str, most: int = -1) -> list[bytes]:
    """Return what the system says of a process after its name: state, parent, ...; nothing if it is gone.

    Only the first `most` fields are split off.
    """
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split(None, most)


def _below(roots: set[int], parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    layer = roots
    while layer := {pid for pid, parent in parents.items() if parent in layer} - found:
        found |= layer
    return found - roots


def _read(path: str) -> bytes:
    """Return a file of /proc; empty if its process is gone or another user's."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(fd, 65536), b""))
    except OSError:
        return b""
    finally:
        os.close(fd)


def _marked_by_ps(entry: str) -> set[int]:
    """Ask `ps` for the environments: macOS shows them to their owner only."""
    import subprocess

    listing = subprocess.run(
        ["ps", "-E", "-axww", "-o", "pid=,command="], capture_output=True, check=False, timeout=10
    )
    lines = (line.split() for line in listing.stdout.splitlines())
    return {int(words[0]) for words in lines if entry.encode() in words[1:]}
