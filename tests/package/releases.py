"""What `packaging/build` has made, and what a started file has unpacked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

OTHER = "0.9.9"
LIMIT = 24_000_000
"""Bytes that the single file may have."""


class Release:
    """A directory that `packaging/build` filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def source(self) -> Path:
        """The tree that it was made from."""
        return self.folder.with_name(f"{self.folder.name}.source")

    @property
    def file(self) -> Path:
        """The single file."""
        return self._one("praisonrun-*-linux-*[!n]")

    @property
    def wheel(self) -> Path:
        return self._one("*.whl")

    @property
    def sdist(self) -> Path:
        return self._one("*.tar.gz")

    @property
    def bill(self) -> Path:
        """The bill of materials."""
        return self._one("*.cdx.json")

    def _one(self, pattern: str) -> Path:
        (found,) = self.folder.glob(pattern)
        return found


def run(command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables and PATH alone."""
    return subprocess.run(
        command, env={"PATH": os.defpath, **environ}, capture_output=True, text=True, cwd="/", timeout=120
    )


def versions(home: Path) -> Path:
    """Return where a file unpacks that is started with this HOME."""
    return home / ".local/share/praisonrun/versions"


def unpacked(home: Path) -> Path:
    """Return the one version that is unpacked; fails where there is more or less than one."""
    (found,) = versions(home).iterdir()
    return found


def as_nobody(command: list[str]) -> list[str]:
    """Return a command that runs without root's rights."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
