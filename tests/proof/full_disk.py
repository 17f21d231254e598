"""A state directory on a small disk of its own, which is filled up and freed again while agents run."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from .world import World


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk of so many megabytes at `place`; skip where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "praisonrun-proof", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


class Filler:
    """A file that takes all the space there is."""

    def __init__(self, world: World) -> None:
        self._path = world.state / "filler"

    def fill(self, leave: int = 0) -> None:
        """Take everything but `leave` bytes."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while os.write(file, bytes(size)):
                        pass
            os.ftruncate(file, max(0, os.fstat(file).st_size - leave))
        finally:
            os.close(file)

    def free(self) -> None:
        """Give it back."""
        self._path.unlink()


def is_full(place: Path) -> bool:
    """Say whether not a byte can be written."""
    try:
        (place / "probe").write_bytes(b"x")
    except OSError as error:
        return error.errno == errno.ENOSPC
    finally:
        (place / "probe").unlink(missing_ok=True)
    return False
