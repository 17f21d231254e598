"""Programs that do some of the same, beside ours in the same rounds. Installed only on request.

Each gets an environment of its own under the user's cache directory, never a place in ours.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

PACKAGES = {"praisonai": "praisonai[api]>=4.7.19,<4.8", "huey": "huey>=3.5,<4"}
"""What pip is asked for."""
TASK_SPOOLER = "task-spooler"
NAMES = (*PACKAGES, TASK_SPOOLER)
PROGRAMS = Path(__file__).parent / "programs"
"""What a peer's own interpreter runs."""
_HINT = "task-spooler must be on PATH as `tsp`: apt install task-spooler, or brew install task-spooler"
_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


class NotInstalled(Exception):
    """A peer could not be had."""


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers that are here."""

    pythons: Mapping[str, Path] = field(default_factory=dict)
    """The interpreter that has each."""

    @property
    def tsp(self) -> str | None:
        """The task-spooler, which is measured wherever it is on PATH."""
        return shutil.which("tsp")

    def versions(self) -> dict[str, str]:
        """Return what is measured beside ours."""
        found = {
            name: subprocess.check_output([python, "-c", _VERSION, name], text=True).strip()
            for name, python in self.pythons.items()
        }
        if self.tsp:
            said = subprocess.run([self.tsp, "-V"], stdout=subprocess.PIPE, text=True).stdout
            found[TASK_SPOOLER] = said.partition(" - ")[0].removeprefix("Task Spooler").strip() or self.tsp
        return found


def default_home() -> Path:
    """Return where the peers' environments are kept."""
    return platformdirs.user_cache_path("praisonrun", appauthor=False) / "bench-peers"


def prepare(names: Collection[str], home: Path) -> Peers:
    """Install the peers of these names that are not there yet, saying so. Raises NotInstalled."""
    peers = Peers({name: _installed(PACKAGES[name], home / name) for name in names if name in PACKAGES})
    if TASK_SPOOLER in names and peers.tsp is None:
        raise NotInstalled(_HINT)
    return peers


def _installed(package: str, place: Path) -> Path:
    python, done = place / "bin" / "python", place / "installed.json"
    wanted = json.dumps({"package": package, "python": sys.version})
    if done.exists() and done.read_text() == wanted:
        return python
    print(f"installing {package} into {place} ...", file=sys.stderr, flush=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", package],
    ):
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            raise NotInstalled(f"{package} could not be installed:\n{made.stdout[-2000:]}")
    done.write_text(wanted)
    return python
