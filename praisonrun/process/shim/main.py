"""The process that owns an agent: one run at a time, in a session of its own, with or without a server.

It is given an open, locked journal and a lifeline to the server. It alone writes the journal, and it closes
both when the run is over: so a held lock means that a run lives, and nothing else is needed to know it.
After a run that ended cleanly it waits for the next. Standard library only.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from typing import Any

from praisonrun.journal.writer import Journal
from praisonrun.process.shim.agent import SpawnFailed
from praisonrun.process.shim.attempt import Attempt, send
from praisonrun.process.shim.wait import Wake

IDLE = b"i"
"""The byte that a shim sends on its pool socket when it can take another run."""
_PR_SET_CHILD_SUBREAPER = 36

if sys.platform == "linux":
    import ctypes

    _prctl = ctypes.CDLL(None).prctl


def receive_fds(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next message, empty at its sender's end, and its descriptors. No child will inherit them."""
    said, fds, *_ = socket.recv_fds(sock, 1, 2)
    for fd in fds:  # recv_fds ignores its `flags` (CPython 3.11), MSG_CMSG_CLOEXEC among them
        os.set_inheritable(fd, False)
    return said, fds


def serve(pool: socket.socket) -> None:
    """Take runs from the spawner until it closes the pool socket, or a run did not end cleanly."""
    os.setsid()
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake = Wake()
    while len(fds := _next(pool, wake)) == 2:
        if not _serve_one(fds[0], socket.socket(fileno=fds[1]), wake):
            return
        try:
            pool.send(IDLE)
        except OSError:
            return


def _next(pool: socket.socket, wake: Wake) -> list[int]:
    """Wait for a run. A SIGTERM ends an idle shim."""
    wake.cancelled()  # a signal that was meant for the last run
    poller = select.poll()
    poller.register(pool, select.POLLIN)
    poller.register(wake.fd, select.POLLIN)
    while True:
        ready = dict(poller.poll())
        if pool.fileno() in ready:
            return receive_fds(pool)[1]
        if wake.cancelled():
            return []


def _serve_one(fd: int, life: socket.socket, wake: Wake) -> bool:
    """Do one run. Returns whether this process can take another."""
    try:
        spec = _read_spec(life)
        if spec is None:
            return True
        journal = Journal(fd)
        journal.ring_at(spec["bell"], spec["run_id"])
        attempt = Attempt(spec, journal, life, wake)
    except Exception as error:
        refuse(life, SpawnFailed("praisonrun failed", error))
        return False
    else:  # what fails from here on is not said: the journal tells whether the agent was started
        send(life, {"ended": attempt.run()})
        return attempt.clean
    finally:
        os.close(fd)
        life.close()


def refuse(life: socket.socket, refusal: SpawnFailed) -> None:
    """Tell the server that nothing was started, and why."""
    reason = "not_started" if refusal.passes else "spawn_failed"
    send(life, {"ended": {"attempt": 0, "reason": reason, "error": str(refusal), "end": 0}})


def _read_spec(life: socket.socket) -> dict[str, Any] | None:
    """Return the spec of a run; None if the server went away before it had sent all of it."""
    try:
        size = int.from_bytes(_read_exactly(life, 4), "little")
        spec: dict[str, Any] = json.loads(_read_exactly(life, size))
    except OSError:
        return None
    return spec


def _read_exactly(life: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        taken = life.recv_into(view)
        if not taken:
            raise ConnectionResetError
        view = view[taken:]
    return data
