"""What the starter handed down, and what of it praisonrun cannot live with. Agents get it back.

Standard library only: this runs before the spawner is forked.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator, Mapping
from typing import Any

_NEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD, signal.SIGALRM)
"""Signals that nobody may have turned off. SIGHUP is not one: nohup turns it off."""
_RAISED = [
    getattr(resource, f"RLIMIT_{name}")
    for name in ("FSIZE", "CPU", "AS", "DATA", "NPROC", "NOFILE", "CORE")
    if hasattr(resource, f"RLIMIT_{name}")
]
"""Limits that praisonrun changes for itself, or may change."""
FILES = 65_536
"""Number of open files that the server and the spawner ask the system for."""
_LEAST = {
    "FSIZE": (128 << 20, "`ulimit -f`: bytes of a file"),
    "AS": (128 << 20, "`ulimit -v`: bytes of memory"),
    "DATA": (96 << 20, "`ulimit -d`: bytes of memory"),
    "NOFILE": (64, "`ulimit -n`: open files"),
}
"""What a server must be able to have: the database and a journal, its program, its connections."""


def hear_signals() -> None:
    """Undo a starter's mask, and have it ignore nothing that a stop, a timeout or a child's end needs."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in _NEEDED:
        if signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


def take() -> dict[str, Any]:
    """Take off the soft limits and the file mode mask that are for the user's programs, and return them."""
    both = [(number, resource.getrlimit(number)) for number in _RAISED]
    for number, (_, hard) in both:
        if number not in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(number, (hard, hard))
    umask = os.umask(0o077)  # our files are for the user alone
    return {"umask": umask, "limits": [(number, soft) for number, (soft, _) in both]}


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def lack() -> str | None:
    """Return what is too little here for a server, and what it needs."""
    for name, (least, meaning) in _LEAST.items():
        most = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        if most != resource.RLIM_INFINITY and most < least:
            return f"a limit is too low for a server ({meaning}): {most} here, and it needs {least}"
    return None


@contextlib.contextmanager
def given_back(user: Mapping[str, Any]) -> Iterator[None]:
    """Have what `take` returned inside this block."""
    ours = [(number, resource.getrlimit(number)) for number, _ in user["limits"]]
    umask = os.umask(user["umask"])
    try:
        for (number, soft), (_, (_, hard)) in zip(user["limits"], ours, strict=True):
            resource.setrlimit(number, (soft, hard))
        yield
    finally:
        for number, both in ours:
            resource.setrlimit(number, both)
        os.umask(umask)
