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

MARK = "PRAISONRUN_RUN_ID"
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


def kill_marked(run_id: str, reap: Callable[[], object] = lambda: None) -> int:
    """Kill every process with this run's mark in its environment, and its descendants. Returns how many.

    A caller that has the mark itself kills nothing.
    """
    if os.environ.get(MARK) == run_id:
        return 0
    return _kill(lambda: marked(run_id), reap)


def marked(run_id: str) -> set[int]:
    """Return the living processes with a run's mark, and their descendants."""
    if not LINUX:
        return _marked_by_ps(run_id) - {os.getpid()}
    parents = _parents()
    mark = f"{MARK}={run_id}".encode()
    bearers = {pid for pid in parents if mark in _read(f"/proc/{pid}/environ").split(b"\0")}
    return (bearers | _below(bearers, parents)) - {os.getpid()}


def _kill(find: Callable[[], set[int]], reap: Callable[[], object]) -> int:
    seen: set[int] = set()
    give_up = time.monotonic() + _PATIENCE
    pause = 0.001
    while (found := _stopped(find, seen)) and time.monotonic() < give_up:
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
    """Map every living process to its parent, in one walk over /proc."""
    found = {}
    for name in os.listdir("/proc") if LINUX else ():
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split(None, 2)
            if len(fields) > 1 and fields[0].decode() not in _DEAD:
                found[int(name)] = int(fields[1])
    return found


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


def _marked_by_ps(run_id: str) -> set[int]:
    """Ask `ps` for the environments: macOS shows them to their owner only."""
    import subprocess

    listing = subprocess.run(
        ["ps", "-E", "-axww", "-o", "pid=,command="], capture_output=True, check=False, timeout=10
    )
    mark = f"{MARK}={run_id}".encode()
    lines = (line.split() for line in listing.stdout.splitlines())
    return {int(words[0]) for words in lines if mark in words[1:]}
