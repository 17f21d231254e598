"""Which Debian package a file is from, and under which licenses that is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package as dpkg knows it."""

    name: str
    version: str
    architecture: str

    @property
    def copyright(self) -> Path:
        return Path("/usr/share/doc") / self.name / "copyright"


def package_of(file: Path) -> Package | None:
    """Return the package of a file; None for one that dpkg does not know, and where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return None
    real = file.resolve()
    for path in (file, real, Path("/usr") / real.relative_to("/")):  # dpkg knows one of the names
        asked = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            named = asked.stdout.rpartition(": ")[0]
            form = "${Package} ${Version} ${Architecture}"
            return Package(
                *subprocess.check_output(["dpkg-query", "-W", "-f", form, named], text=True).split()
            )
    return None
