"""The bell: the datagram socket that shims ring when a watched journal grew."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .trees import own_directory

_SUN_PATH = 100
"""Bytes of a socket's path that every system takes."""


class Bell:
    """The bell of a state directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path: str | None = None

    @property
    def path(self) -> str:
        """The socket's path: in the state directory, or in another private one if that path is too long."""
        if self._path is None:
            path = str(self._root / "bell")
            self._path = path if len(os.fsencode(path)) <= _SUN_PATH else _elsewhere(self._digest())
        return self._path

    @contextmanager
    def bound(self) -> Iterator[socket.socket]:
        """Have the socket at its path inside this block."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            _remove(self.path)  # a killed server left it
            bell.bind(self.path)
            self._alias()
            try:
                yield bell
            finally:
                _remove(self.path)

    def _alias(self) -> None:
        """Lead the shims of praisonrun 0.1 here: with a long path they ring a socket in /tmp itself.

        Nothing else needs that name, so it does not matter if another user took it.
        """
        if self._path is not None and Path(self._path).parent != self._root:
            alias = f"{tempfile.gettempdir()}/praisonrun-{os.geteuid()}-{self._digest()}"
            with suppress(OSError):
                _remove(alias)
                os.symlink(self._path, alias)

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


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
