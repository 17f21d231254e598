"""Releases that are made once for all tests of a session, which so should run in one process (-n0)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..rigs.harness import Server
from ..rigs.minimal_root import minimal_root
from ..rigs.places import ROOT
from .releases import OTHER, Release

AGENTS = """
default: hello
agents:
  hello: {command: ["{python}", -m, praisonrun.demo], timeout: 60}
  lines:
    # Prints 150 lines; the second half once the file that its prompt names exists.
    command: [sh, -c, 'i=0; while [ $i -lt 150 ]; do echo line $i; i=$((i+1)); [ $i = 75 ] && until [ -e "$0" ]; do sleep 0.02; done; done; true', "{prompt}"]
    prompt: arg
  python:
    command: ["{python}", -u, -c, "import os, sys, time\\nprint('up')\\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\\nprint(sys.version.split()[0], sys.prefix)", "{prompt}"]
    prompt: arg
  env: {command: [env], env_pass: ["*"]}
  open: {command: [sh, -c, "ls -l /proc/$$/fd"]}
  import: {command: ["{python}", -c, "import ssl, sqlite3, asyncio, ctypes, lzma; print('imported')"]}
"""  # noqa: E501 - an agent is a line


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Release]:
    """Make a release of this tree, or find it: PRAISONRUN_RELEASES keeps them between sessions."""
    kept = os.environ.get("PRAISONRUN_RELEASES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("releases")

    def make(name: str = "this", version: str | None = None) -> Release:
        if not (folder / name / "SHA256SUMS").exists():
            source = _copy(folder / f"{name}.source", version)
            subprocess.run([source / "packaging/build", folder / name], check=True)
        return Release(folder / name)

    return make


@pytest.fixture(scope="session")
def release(releases: Callable[..., Release]) -> Release:
    """The release of this tree."""
    return releases()


@pytest.fixture(scope="session")
def other(releases: Callable[..., Release]) -> Release:
    """The same code under another version, and so in another directory."""
    return releases("other", OTHER)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root directory with busybox and glibc alone."""
    with minimal_root(tmp_path / "root") as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home directory."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def served(tmp_path: Path, home: Path, release: Release) -> Iterator[Server]:
    """A server of the single file, not started yet."""
    (home / "agents.yaml").write_text(AGENTS)
    file = tmp_path / "praisonrun"
    shutil.copy(release.file, file)
    with Server(home, home / "agents.yaml") as server:
        server.program = [str(file)]
        server.environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        yield server


def _copy(to: Path, version: str | None) -> Path:
    """Copy what git tracks, as a repository's clone would have it, with another version if one is given."""
    names = subprocess.check_output(["git", "-C", ROOT, "ls-files", "-z"], text=True).split("\0")
    for name in filter(None, names):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    if version is not None:
        module = to / "praisonrun/__init__.py"
        module.write_text(re.sub(r'(__version__ = )".+"', rf'\1"{version}"', module.read_text()))
    return to
