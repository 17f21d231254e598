"""The folder of one attempt: input, events, result, artifacts, scratch. Made before it, removed after it.

What an agent leaves there is not trusted: no link is followed, and no open can block.
Standard library only, and no pathlib: every shim would pay for it.
"""

from __future__ import annotations

import contextlib
import os

from praisonrun.files.trees import FILE, is_own_file, own_directory, remove_tree

_MINE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """The files of one attempt besides its journal."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.input, self.events, self.result, self.artifacts, self.scratch = (
            f"{path}/{name}" for name in ("input.json", "events", "result.json", "artifacts", "scratch")
        )

    def make(self, given: str | None) -> int:
        """Make everything and return the open FIFO. The folder of an earlier attempt is used again."""
        own_directory(self.path)
        self._clear()
        if given is not None:
            fd = os.open(self.input, os.O_WRONLY | _MINE, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(given.encode("utf-8", "surrogatepass"))
        own_directory(self.artifacts)
        own_directory(self.scratch)
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
            return _regular(fd, limit)
        finally:
            os.close(fd)

    def remove(self, keep_scratch: bool) -> None:
        """Remove everything except artifacts and, if it is to be kept, the scratch directory."""
        self._clear()
        if not keep_scratch:
            remove_tree(self.scratch)
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


def _regular(fd: int, limit: int) -> bytes:
    if not is_own_file(os.fstat(fd)):
        raise ValueError("the result is not a regular file of its own")
    with os.fdopen(os.dup(fd), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"the result is larger than {limit} bytes")
    return data
