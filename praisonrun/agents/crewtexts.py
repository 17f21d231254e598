"""The texts of crews as they were parsed, so that a run keeps the version it was submitted with."""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

from ..core.errors import ConfigError
from ..core.model import Agent
from . import files

KEPT = 64
"""Texts, and files, that are remembered between submits."""

K = TypeVar("K")
V = TypeVar("V")


class CrewTexts:
    """The texts of the crews seen last, by digest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def keep(self, text: str) -> None:
        """Remember a text."""
        remember(self._kept, digest(text), text)

    def copy(self, agent: Agent, directory: Path) -> Path:
        """Write the text of an agent's crew to `directory`/<sha256>.yaml once, 0600, and return its path.

        Raises ConfigError when the text is no longer known, OSError when it cannot be written.
        """
        assert agent.crew is not None
        path = directory / f"{agent.crew.source_sha256}.yaml"
        if not path.exists():
            _write(path, self._text(agent, agent.crew.source_sha256))
        return path

    def _text(self, agent: Agent, sha256: str) -> str:
        if sha256 in self._kept:
            return self._kept[sha256]
        text, _ = files.read(Path(agent.file), Path(agent.file).name)
        if digest(text) != sha256:
            raise ConfigError(f"crew {agent.name}: the version that was submitted is gone; submit it again")
        return text


def digest(text: str) -> str:
    """Return the SHA-256 of a text: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def remember(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Put a value last, and forget the first beyond KEPT."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
