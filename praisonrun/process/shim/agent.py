"""Start one agent: its pipes, its standard input, its signals. Standard library only."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

_DEFAULTS = [
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
]
"""Python, the spawner or a nohup may have changed these: the agent gets them as from a login shell."""


class SpawnFailed(Exception):
    """The agent's program could not be started."""


def start(spec: Mapping[str, Any]) -> tuple[int, int, int]:
    """Start the agent in a process group of its own. Returns its pid, stdout and stderr.

    The caller's descriptor 0 is /dev/null and every other one closes at exec.
    """
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    ends = [out_end, err_end]
    try:
        actions = [(os.POSIX_SPAWN_DUP2, out_end, 1), (os.POSIX_SPAWN_DUP2, err_end, 2)]
        if spec["stdin"] == "prompt" and spec["prompt"]:
            ends.append(_holding(spec["prompt"].encode("utf-8", "surrogatepass")))
            actions.append((os.POSIX_SPAWN_DUP2, ends[-1], 0))
        pid = _spawn(spec, actions)
    except BaseException:
        os.close(out)
        os.close(err)
        raise
    finally:
        for end in ends:
            os.close(end)
    return pid, out, err


def _spawn(spec: Mapping[str, Any], actions: list[Any]) -> int:
    argv = spec["argv"]
    try:
        os.chdir(spec["cwd"])
    except (OSError, ValueError) as error:
        raise SpawnFailed(f"cannot enter {spec['cwd']}: {reason(error)}") from None
    ours = os.umask(spec["umask"])
    try:
        return os.posix_spawn(
            argv[0], argv, spec["env"], file_actions=actions, setpgroup=0, setsigmask=[], setsigdef=_DEFAULTS
        )
    except (OSError, ValueError) as error:
        raise SpawnFailed(f"cannot start {argv[0]}: {reason(error)}") from None
    finally:
        os.umask(ours)
        os.chdir("/")


def reason(error: Exception) -> str:
    """Return the system's message for an error, without the path."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _holding(data: bytes) -> int:
    """Return an open file without a name that holds `data`, at its beginning."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("prompt")
    else:
        import tempfile

        with tempfile.TemporaryFile(buffering=0) as file:
            fd = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
