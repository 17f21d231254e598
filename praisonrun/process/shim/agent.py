"""Start one agent: its files, its pipes, its standard input, its signals.

What an agent leaves in its folder is not trusted: no link is followed, and no open can block.
Standard library only, and no pathlib: every shim would pay for it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from typing import Any

from praisonrun.files import scratch
from praisonrun.files.trees import FILE, is_own_file, own_directory, remove_tree
from praisonrun.process.surroundings import given_back

_MINE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""Python, the spawner or the starter may have changed them: the agent gets them as from a login shell."""


_FINAL = frozenset(
    getattr(errno, name, 0)  # some are one system's own
    for name in (
        "E2BIG", "EACCES", "EEXIST", "EFAULT", "EINVAL", "EISDIR", "ELIBBAD", "ELOOP", "ENAMETOOLONG",
        "ENOENT", "ENOEXEC", "ENOSYS", "ENOTDIR", "EPERM",
    )
)  # fmt: skip
"""What the system says of a start that will fail again: of any other error the cause may pass."""


class SpawnFailed(Exception):
    """The agent's program could not be started."""

    def __init__(self, what: str, error: Exception, why: str | None = None) -> None:
        super().__init__(f"{what}: {why or reason(error)}")
        self.passes = passes(error)


def passes(error: Exception) -> bool:
    """Say whether what kept an agent from its start may pass: the same start may succeed later."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno not in _FINAL)


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
        why = "no longer exists" if isinstance(error, FileNotFoundError) else reason(error)
        raise SpawnFailed("the agent cannot start", error, f"cwd {spec['cwd']} {why}") from None
    rest: dict[str, Any] = {"setpgroup": 0, "setsigmask": [], "setsigdef": _DEFAULTS}
    try:
        with given_back(spec):
            return os.posix_spawn(argv[0], argv, spec["env"], file_actions=actions, **rest)
    except (OSError, ValueError) as error:
        raise SpawnFailed(f"cannot start {argv[0]}", error, _why(argv[0], spec["cwd"], error)) from None
    finally:
        os.chdir("/")


def _why(program: str, cwd: str, error: Exception) -> str | None:
    """Return what the program's file says of an error that blames it, after the system's word; else None."""
    if passes(error) or getattr(error, "errno", None) == errno.E2BIG or not isinstance(error, OSError):
        return None
    from praisonrun.files import programs  # only a shim whose agent failed pays for it

    why = programs.why_not(program, cwd)
    return f"{reason(error)}: it {why}" if why and why != "does not exist" else None


def reason(error: Exception) -> str:
    """Return the system's message for an error, without the path."""
    if isinstance(error, OSError | ValueError):
        return getattr(error, "strerror", None) or str(error)
    return repr(error)


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


class Folder:
    """The files of one attempt besides its journal."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.input, self.events, self.result, self.artifacts, self.scratch = (
            f"{path}/{name}" for name in ("input.json", "events", "result.json", "artifacts", "scratch")
        )
        self._held = -1

    def make(self, spec: dict[str, Any]) -> int:
        """Make everything and return the open FIFO. The folder of an earlier attempt is used again.

        Takes the input out of the spec, and corrects in its environment where the scratch directory is.
        """
        own_directory(self.path)
        self._clear()
        if (given := spec.pop("input")) is not None:
            fd = os.open(self.input, os.O_WRONLY | _MINE, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(given.encode("utf-8", "surrogatepass"))
        own_directory(self.artifacts)
        places, env = spec["scratch"], spec["env"]
        path, self._held = scratch.make(self.scratch, places)
        env.update({name: path for name, value in env.items() if value in places})
        os.mkfifo(self.events, 0o600)
        return os.open(self.events, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)

    def read_result(self, limit: int) -> bytes | None:
        """Return the agent's result file, None without one. Raises ValueError if it cannot be taken."""
        try:
            fd = os.open(self.result, FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"the result file cannot be read: {error.strerror}") from None
        try:
            if not is_own_file(os.fstat(fd)):
                raise ValueError("the result is not a regular file of its own")
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(limit + 1)
        finally:
            os.close(fd)
        if len(data) > limit:
            raise ValueError(f"the result is larger than {limit} bytes")
        return data

    def remove(self, keep_scratch: bool) -> None:
        """Remove everything except artifacts and, if it is to be kept, the scratch directory."""
        self._clear()
        if self._held >= 0:
            os.close(self._held)
        if not keep_scratch:
            scratch.remove(self.scratch)
        for path in (self.artifacts, self.path):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(path)

    def _clear(self) -> None:
        """Remove the three files, or whatever has their names."""
        for path in (self.input, self.events, self.result):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
            except OSError:
                remove_tree(path)
