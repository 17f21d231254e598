"""The bell: the datagram socket that shims ring when a watched journal grew."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from .trees import own_directory

_SUN_PATH = 100
"""Bytes of a socket's path that every system takes."""


class Bell:
    """The bell of a state directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def path(self) -> str:
        """The socket's path: in the state directory, or in another private one if that path is too long."""
        path = str(self._root / "bell")
        return path if len(os.fsencode(path)) <= _SUN_PATH else _elsewhere(self._digest())

    @contextmanager
    def bound(self) -> Iterator[socket.socket]:
        """Have the socket at its path inside this block."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            Path(self.path).unlink(missing_ok=True)  # a killed server left it
            bell.bind(self.path)
            self._alias()
            try:
                yield bell
            finally:
                Path(self.path).unlink(missing_ok=True)

    def _alias(self) -> None:
        """Lead the shims of praisonrun 0.1 here: with a long path they ring a socket in /tmp itself."""
        if Path(self.path).parent != self._root:
            alias = f"{tempfile.gettempdir()}/praisonrun-{os.geteuid()}-{self._digest()}"
            with suppress(OSError):  # another user may have taken that name; nothing else needs it
                Path(alias).unlink(missing_ok=True)
                os.symlink(self.path, alias)

    def _digest(self) -> str:
        return hashlib.sha256(os.fsencode(self._root.resolve())).hexdigest()[:16]


def _elsewhere(name: str) -> str:
    """Return a short path in a private directory: the same one at every start, if no stranger took it."""
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the directory in it is checked
        folder = f"{base}/praisonrun-{os.geteuid()}"
        if len(os.fsencode(f"{folder}/{name}")) <= _SUN_PATH:
            with suppress(OSError):
                own_directory(folder)
                return f"{folder}/{name}"
    return f"{tempfile.mkdtemp(prefix='praisonrun-', dir='/tmp')}/bell"
